/** What the servers of the providers' APIs have in common: JSON or text in and out, and ways to be broken. */

import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'

/** A request as a handler sees it. */
export interface ApiRequest {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  /** As it came. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** An answer. An object is sent as JSON, a text as it is. */
export interface ApiReply {
  readonly status: number
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A running server. */
export interface ApiServer {
  readonly url: string
  /** `GET /path` of every request, in order. */
  readonly lines: string[]
  /** Answers in place of the API, when it answers something; `hang` never answers. */
  fault: ((request: ApiRequest) => ApiReply | 'hang' | undefined) | undefined
}

/** Starts a server that ends with the test. */
export async function startApi(
  t: Pick<Test, 'teardown'>,
  handle: (request: ApiRequest) => ApiReply | Promise<ApiReply>,
): Promise<ApiServer> {
  const server = createServer(async (incoming, response) => {
    const target = incoming.url ?? '/'
    const { pathname, searchParams } = new URL(target, 'http://server')
    const { method = '', headers } = incoming
    const request = { method, path: pathname, query: searchParams, target, headers, body: await text(incoming) }
    api.lines.push(`${method} ${pathname}`)
    const reply = api.fault?.(request) ?? (await handle(request))
    if (reply === 'hang') return
    const { status, body = '', headers: more = {} } = reply
    response.writeHead(status, more).end(typeof body === 'string' ? body : JSON.stringify(body))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  const api: ApiServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    lines: [],
    fault: undefined,
  }
  return api
}
