/** A request of Node's HTTP server as an exchange, with the answer's hooks that `grove dev` needs. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import { pipeline, Readable } from 'node:stream'
import type { Body, Exchange } from '../../core/exchange.ts'
import type { HeaderList } from '../../core/headers.ts'
import { nextRequestId } from '../../core/ids.ts'

/** Where an answer goes. */
export type Respond = (status: number, headers: HeaderList, body: Body) => void

/** What is wrong with a target, in place of an exchange. */
export const badTarget = 'the path is not valid'

/** An exchange of a request; `respond` sends its answer. {@link badTarget} for a request whose path cannot be one. */
export function createDevExchange(request: IncomingMessage, respond: Respond): Exchange | typeof badTarget {
  const target = request.url ?? '/'
  const at = target.indexOf('?')
  const path = decodePath(at === -1 ? target : target.slice(0, at))
  if (path === undefined) return badTarget
  const ended = new AbortController()
  request.once('close', () => {
    if (!request.complete) ended.abort()
  })
  request.socket.once('close', () => ended.abort())
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers
  const hasBody = encoding !== undefined || (length !== undefined && length !== '0')
  let responded = false
  return {
    id: nextRequestId(),
    method: request.method ?? 'GET',
    scheme: 'http',
    authority: nameOf(request.headers.host),
    target,
    path,
    query: at === -1 ? '' : target.slice(at),
    headers: request.rawHeaders.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text)),
    body: hasBody ? request : undefined,
    clientAddress: request.socket.remoteAddress ?? '127.0.0.1',
    httpVersion: request.httpVersion === '1.0' ? '1.0' : '1.1',
    signal: ended.signal,
    note: undefined,
    get responded() {
      return responded
    },
    respond(status, headers, body) {
      responded = true
      respond(status, headers, body)
    },
  }
}

/** The name in a Host header, without its port. */
export function nameOf(host = ''): string {
  return host.replace(/:\d*$/, '').toLowerCase()
}

/** Writes an answer; `tail` is put behind its body. */
export function writeAnswer(
  response: ServerResponse,
  status: number,
  headers: HeaderList,
  body: Readable | Uint8Array | undefined,
  tail = '',
): void {
  const isHead = response.req.method === 'HEAD'
  const sent = tail === '' ? headers : withoutLength(headers)
  if (body instanceof Readable) {
    response.writeHead(status, [...sent])
    response.flushHeaders()
    if (isHead) {
      body.destroy()
      response.end()
    } else pipeline(tail === '' ? body : withTail(body, tail), response, () => {}) // A cut answer is seen by who takes it.
    return
  }
  const whole = Buffer.concat([body ?? Buffer.alloc(0), Buffer.from(tail)])
  const mayHaveBody = status !== 204 && status !== 304
  response.writeHead(status, [...withoutLength(sent), ...(mayHaveBody ? ['content-length', String(whole.length)] : [])])
  response.end(isHead || !mayHaveBody ? undefined : whole)
}

async function* withTail(body: Readable, tail: string): AsyncGenerator<Uint8Array | string> {
  yield* body
  yield tail
}

function withoutLength(headers: HeaderList): string[] {
  return headers.filter((_, index) => headers[index - (index % 2)] !== 'content-length')
}

/** Decoded once; undefined for what no path of a tree can be. */
function decodePath(encoded: string): string | undefined {
  if (!encoded.startsWith('/') || /%(?:2f|5c|00)/i.test(encoded)) return undefined
  try {
    return decodeURIComponent(encoded).normalize('NFC')
  } catch {
    return undefined
  }
}
