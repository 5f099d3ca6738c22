/** The strict checks of a WebSocket handshake (RFC 6455 section 4.2.1) before anybody is connected to. Pure. */

import type { Exchange } from '../core/exchange.ts'
import { getHeader, type HeaderList, joinHeader } from '../core/headers.ts'

/** Why a handshake is refused. */
export interface HandshakeFault {
  readonly status: number
  /** For operators. */
  readonly reason: string
  readonly headers: HeaderList
}

const keyPattern = /^[A-Za-z0-9+/]{22}==$/

/** What is wrong with a handshake, or undefined when it may go to the upstream. */
export function handshakeFault(exchange: Pick<Exchange, 'method' | 'headers'>): HandshakeFault | undefined {
  const { method, headers } = exchange
  if (method !== 'GET') return fault(405, 'method is not GET', ['allow', 'GET'])
  if (joinHeader(headers, 'upgrade')?.trim().toLowerCase() !== 'websocket')
    return fault(501, 'upgrade to something other than websocket')
  // What follows the head belongs to the new protocol; a body there would be read differently by the next server.
  if ((getHeader(headers, 'content-length') ?? '0') !== '0' || getHeader(headers, 'transfer-encoding') !== undefined)
    return fault(400, 'handshake has a body')
  if (joinHeader(headers, 'sec-websocket-version') !== '13')
    return fault(426, 'version of WebSocket is not 13', ['sec-websocket-version', '13'])
  if (!keyPattern.test(joinHeader(headers, 'sec-websocket-key') ?? ''))
    return fault(400, 'Sec-WebSocket-Key is not valid')
  return undefined
}

function fault(status: number, reason: string, headers: HeaderList = []): HandshakeFault {
  return { status, reason, headers }
}
