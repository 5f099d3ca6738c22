/** What llhttp and node:http say about a request that is not HTTP, as a refusal. Pure. */

import type { Refusal } from './refusal.ts'

/** What node:http tells in `clientError`. */
export interface ParseError extends Error {
  readonly code?: string
  readonly reason?: string
  /** What the parser was given when it failed, and how far it came in it. */
  readonly rawPacket?: Buffer
  readonly bytesParsed?: number
}

/** The refusal for an error of `clientError`, or undefined when the connection itself failed and nobody listens. */
export function refusalOf(error: ParseError, methodBytes: number): Refusal | undefined {
  const { code = '', reason = '' } = error
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { status: 408, reason: 'headers took too long' }
  if (code === 'HPE_HEADER_OVERFLOW') return { status: 431, reason: 'headers are too large' }
  if (code === 'HPE_INVALID_METHOD') return refusedMethod(error, methodBytes)
  if (code === 'HPE_PAUSED_H2_UPGRADE') return { status: 505, reason: 'HTTP/2 without ALPN' }
  if (code === 'HPE_INVALID_VERSION' && reason.startsWith('Invalid HTTP version'))
    return { status: 505, reason: 'HTTP version is not supported' }
  if (code.startsWith('HPE_')) return { status: 400, reason: reason || code }
  return undefined
}

/** A method that the parser does not know: 501 (RFC 9110 section 9.1), 405 when it is longer than any, 400 if it is none. */
function refusedMethod({ rawPacket, bytesParsed = 0 }: ParseError, methodBytes: number): Refusal {
  // Pipelined requests may stand before the one that failed.
  const start = rawPacket ? rawPacket.lastIndexOf(10, bytesParsed) + 1 : 0
  const line = rawPacket?.toString('latin1', start, start + 256) ?? ''
  const method = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?= )/.exec(line)?.[0]
  if (method === undefined) return { status: 400, reason: 'does not begin with a method' }
  if (method.length > methodBytes) return { status: 405, reason: `method longer than ${methodBytes} bytes` }
  return { status: 501, reason: 'method is not known' }
}
