/** A small site server that answers as Grove's static path does, with the plugin's headers, for tests with Varnish. */

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Plugin, SiteInfo } from '../../../core/plugin.ts'

/** The site that the tests serve. */
export const site: SiteInfo = { name: 'blog', authorities: ['blog.localhost', 'blog.example.org'] }

/** A running site server. */
export interface Origin extends AsyncDisposable {
  readonly port: number
  /** Contents keyed by path in the tree; changing it changes what is served. */
  readonly files: Map<string, string>
  /** Every request that came, `GET /path`, in order; with the headers that the tests ask about. */
  readonly requests: { readonly line: string; readonly headers: IncomingMessage['headers'] }[]
  /** Answers instead of the files when it does not answer undefined. */
  handle: (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>
}

/** Starts a site server. */
export async function startOrigin(plugin: Plugin): Promise<Origin> {
  const files = new Map<string, string>()
  const requests: Origin['requests'] = []
  const server = createServer(async (incoming, response) => {
    requests.push({ line: `${incoming.method} ${incoming.url}`, headers: incoming.headers })
    if (await origin.handle(incoming, response)) return
    serve(files, plugin, incoming, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin: Origin = {
    port: (server.address() as AddressInfo).port,
    files,
    requests,
    handle: () => false,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return origin
}

function serve(files: Map<string, string>, plugin: Plugin, incoming: IncomingMessage, response: ServerResponse): void {
  const path = decodeURIComponent((incoming.url ?? '').split('?')[0] ?? '').slice(1)
  const [status, name, location] = find(files, path)
  const body = name === undefined ? undefined : files.get(name)
  if (name === undefined || body === undefined) {
    response.writeHead(404, ['cache-control', 'no-store']).end('nothing here')
    return
  }
  const bytes = Buffer.byteLength(body)
  const hash = createHash('sha256').update(body).digest('base64url')
  const file = { path: name, hash, bytes, type: 'text/html; charset=utf-8', personal: false }
  const headers = [
    'content-type',
    file.type,
    'cache-control',
    'public, max-age=0, must-revalidate',
    'etag',
    `"${hash}"`,
  ]
  if (location !== undefined) headers.push('location', location)
  response.writeHead(status, [...headers, ...(plugin.headers?.(file, site) ?? [])])
  response.end(status === 308 ? undefined : body)
}

/** The status, the file whose headers and body are sent, and where a redirect leads. */
function find(files: Map<string, string>, path: string): [number, string?, string?] {
  const index = path === '' || path.endsWith('/') ? `${path}index.html` : undefined
  if (files.has(path)) return [200, path]
  if (index !== undefined && files.has(index)) return [200, index]
  if (files.has(`${path}/index.html`)) return [308, `${path}/index.html`, `/${encodeURI(path)}/`]
  return files.has('404.html') ? [404, '404.html'] : [404]
}

/** An answer, as a visitor of Varnish got it. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** Whether Varnish answered from its cache: its X-Varnish header then names two transactions. */
  readonly isHit: boolean
}

/** Fetches one target. `headers` may name another Host. */
export async function get(
  port: number,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): Promise<Answer> {
  const outgoing = request({
    host: '127.0.0.1',
    port,
    path: target,
    method,
    agent: false,
    headers: { host: 'blog.localhost', ...headers },
  }).end()
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: await text(response),
    isHit: String(response.headers['x-varnish']).split(' ').length === 2,
  }
}
