/** What a client gets whose request was refused before anybody looked at what it asks for. */

import { STATUS_CODES } from 'node:http'

/** Why a request is refused. */
export interface Refusal {
  readonly status: number
  /** For operators; names the rule, never repeats what the client sent. */
  readonly reason: string
}

/** Methods that a 405 names (RFC 9110 section 15.5.6 demands the list). */
const allowedMethods = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

/** The body of a refusal: the status in words and the id of the request, nothing that the client sent. */
export function refusalBody(status: number, id: string): Buffer {
  return Buffer.from(`${status} ${STATUS_CODES[status] ?? 'Error'}\nrequest ${id}\n`)
}

/** The headers of a refusal, without those of framing. */
export function refusalHeaders(status: number): string[] {
  const headers = [
    'content-type',
    'text/plain; charset=utf-8',
    'cache-control',
    'no-store',
    'x-content-type-options',
    'nosniff',
  ]
  if (status === 405) headers.push('allow', allowedMethods)
  return headers
}

/** A refusal as bytes of HTTP/1.1, for a connection whose request could not be parsed. It ends the connection. */
export function rawRefusal(status: number, id: string): string {
  const body = refusalBody(status, id)
  const headers = refusalHeaders(status)
  headers.push('content-length', String(body.length), 'connection', 'close', 'date', new Date().toUTCString())
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}\r\n`
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
  return `${head}\r\n${body.toString('latin1')}`
}
