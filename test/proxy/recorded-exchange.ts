/** An exchange that records its answer, for tests of what stands behind the transports. */

import { closeSync, readSync } from 'node:fs'
import { buffer } from 'node:stream/consumers'
import type { Body, Exchange, ExchangeNote } from '../../core/exchange.ts'
import { getHeader, type HeaderList } from '../../core/headers.ts'

/** An answer with its body read to the end. */
export interface RecordedAnswer {
  readonly status: number
  readonly headers: HeaderList
  readonly body: Buffer
  /** What kind of body was given. */
  readonly kind: 'none' | 'bytes' | 'file' | 'stream'
  /** Whether the answer was there when the handler returned. */
  readonly isImmediate: boolean
  /** The first value of a header. */
  readonly get: (name: string) => string | undefined
}

/** A request as a test writes it. */
export interface RecordedRequest {
  readonly method?: string
  readonly target?: string
  readonly headers?: HeaderList
}

/** Runs a handler with an exchange and resolves with its answer. */
export async function record(
  { method = 'GET', target = '/', headers = [] }: RecordedRequest,
  handle: (exchange: Exchange) => void,
): Promise<RecordedAnswer & { readonly note: ExchangeNote }> {
  const answered = Promise.withResolvers<{ status: number; headers: HeaderList; body: Body }>()
  const queryAt = target.indexOf('?')
  const note: ExchangeNote = {
    startedMs: 0,
    site: undefined,
    version: undefined,
    how: 'static',
    userId: undefined,
    error: undefined,
  }
  let responded = false
  const exchange: Exchange = {
    id: 'test-request',
    method,
    scheme: 'https',
    authority: 'blog.localhost',
    target,
    path: decodeURIComponent(queryAt === -1 ? target : target.slice(0, queryAt)),
    query: queryAt === -1 ? '' : target.slice(queryAt),
    headers,
    body: undefined,
    clientAddress: '127.0.0.1',
    httpVersion: '1.1',
    signal: new AbortController().signal,
    note,
    get responded() {
      return responded
    },
    respond(status, headers, body) {
      if (responded) throw new Error('answered twice')
      responded = true
      answered.resolve({ status, headers, body })
    },
  }
  handle(exchange)
  const isImmediate = responded
  const answer = await answered.promise
  const body = await readBody(answer.body)
  return { ...answer, ...body, isImmediate, note, get: (name) => getHeader(answer.headers, name) }
}

async function readBody(body: Body): Promise<Pick<RecordedAnswer, 'body' | 'kind'>> {
  if (body === undefined) return { body: Buffer.alloc(0), kind: 'none' }
  if (body instanceof Uint8Array) return { body: Buffer.from(body), kind: 'bytes' }
  if ('fd' in body) {
    const bytes = Buffer.alloc(body.length)
    readSync(body.fd, bytes, 0, body.length, body.offset)
    closeSync(body.fd)
    return { body: bytes, kind: 'file' }
  }
  return { body: await buffer(body), kind: 'stream' }
}
