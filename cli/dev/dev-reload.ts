/**
 * Open pages reload themselves: a script at the end of each page listens to Server-Sent Events. It is put only behind
 * HTML that a browser asked for as a page, so what programs get is what the site answers.
 */

import type { ServerResponse } from 'node:http'
import type { Exchange } from '../../core/exchange.ts'
import { getHeader, type HeaderList } from '../../core/headers.ts'
import { randomId } from '../../core/ids.ts'
import { limits } from '../../core/limits.ts'

/** Where the script and the events are. Under a path that no site can have. */
export const reloadPaths = { script: '/.grove/dev/reload.js', events: '/.grove/dev/events' } as const

/** What is put behind a page. */
export const reloadTail = `\n<script src="${reloadPaths.script}" async></script>\n`

/** A page also reloads when it finds another `grove dev` in place of the one that it came from. */
const script = `let first
const events = new EventSource('${reloadPaths.events}')
events.addEventListener('run', ({ data }) => {
  if (first !== undefined && first !== data) location.reload()
  first = data
})
events.addEventListener('reload', () => location.reload())
addEventListener('pagehide', () => events.close())
`

/** Pages that listen. */
export class DevReload {
  readonly #run = randomId()
  readonly #open = new Set<ServerResponse>()

  /** Answers the two paths; false for any other. */
  answer(path: string, response: ServerResponse): boolean {
    if (path === reloadPaths.script) {
      response.writeHead(200, { 'content-type': 'text/javascript; charset=utf-8', 'cache-control': 'no-store' })
      response.end(script)
      return true
    }
    if (path !== reloadPaths.events) return false
    if (this.#open.size >= limits.dev.pages) {
      response.writeHead(503).end()
      return true
    }
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    response.write(`retry: 500\nevent: run\ndata: ${this.#run}\n\n`)
    this.#open.add(response)
    response.once('close', () => this.#open.delete(response))
    return true
  }

  /** Has all pages reload. */
  reload(): void {
    for (const response of this.#open) response.write('event: reload\ndata:\n\n')
  }

  close(): void {
    for (const response of this.#open) response.end()
  }
}

/** Whether an answer is a page that a browser shows, to which the script can be added. */
export function isShownPage({ method, headers }: Exchange, status: number, answered: HeaderList): boolean {
  if (method !== 'GET' || status === 204 || status === 206 || status === 304) return false
  if (!/^text\/html\b/i.test(getHeader(answered, 'content-type') ?? '')) return false
  if (getHeader(answered, 'content-encoding') !== undefined) return false
  return wantsPage(headers)
}

/** Whether a request is a browser's for a page: it says so, or, an old one, at least names HTML first. */
export function wantsPage(headers: HeaderList): boolean {
  const destination = getHeader(headers, 'sec-fetch-dest')
  if (destination !== undefined) return destination === 'document' || destination === 'iframe'
  return /^text\/html\b/i.test(getHeader(headers, 'accept') ?? '')
}
