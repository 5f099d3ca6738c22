/** WebSocket handshakes: an exchange whose connection may become a tunnel. */

import { ServerResponse } from 'node:http'
import type { Admitted } from './admit.ts'
import { Http1Wire } from './http1-wire.ts'
import { handOver, LiveExchange } from './live-exchange.ts'
import type { TransportContext, UpgradeConnection } from './transport.ts'

/**
 * Hands a handshake to `options.upgrade`. It is refused with `exchange.respond`, after which the connection ends, or
 * the socket is taken over and the exchange lasts as long as it.
 */
export function openTunnel(connection: UpgradeConnection, admitted: Admitted, context: TransportContext): void {
  const { request, socket } = connection
  const before = request.socket.bytesWritten
  const response = new ServerResponse(request)
  const wire = new TunnelWire(request, response, { connection: { ending: true }, context })
  const exchange = new LiveExchange({ ...admitted, body: undefined, wire }, context)
  response.once('finish', () => {
    response.detachSocket(request.socket)
    request.socket.destroySoon()
    exchange.over(true)
  })
  socket.once('close', () => {
    if (exchange.responded) exchange.over(false)
    else {
      const sentBytes = request.socket.bytesWritten - before
      exchange.over(sentBytes > 0, sentBytes, sentBytes > 0 ? 101 : 0)
    }
  })
  handOver(exchange, context, () => context.options.upgrade(exchange, connection))
}

/** The response gets the socket only when the handshake is refused. */
class TunnelWire extends Http1Wire {
  override begin(status: number, headers: string[]): void {
    this.stream.assignSocket(this.stream.req.socket)
    // Headers of one hop are the adapter's; a 426 has to name the protocol that it wants (RFC 9110 section 15.5.22).
    if (status === 426) headers.push('upgrade', 'websocket', 'connection', 'upgrade')
    super.begin(status, headers)
  }
}
