/** One message to a server of the DNS and its answer, over TCP (RFC 7766): nothing is lost, cut or sent twice. */

import { connect } from 'node:net'
import { dnsError } from '../../core/dns-provider.ts'

/** Where a server is. */
export interface ServerPlace {
  readonly host: string
  readonly port: number
}

/** Sends a message and resolves with the answer's bytes. Throws `ERR_DNS`: `unavailable`, `timeout`, `answer`. */
export async function exchange(
  server: ServerPlace,
  message: Buffer,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const place = `${server.host}:${server.port}`
  signal.throwIfAborted()
  const timeout = AbortSignal.timeout(timeoutMs)
  const socket = connect({ ...server, signal: AbortSignal.any([timeout, signal]) })
  try {
    const length = Buffer.alloc(2)
    length.writeUInt16BE(message.length)
    socket.write(Buffer.concat([length, message]))
    let bytes: Buffer = Buffer.alloc(0)
    for await (const piece of socket) {
      bytes = Buffer.concat([bytes, piece])
      // No answer is longer than its length of two bytes says.
      if (bytes.length >= 2 && bytes.length >= 2 + bytes.readUInt16BE(0))
        return bytes.subarray(2, 2 + bytes.readUInt16BE(0))
    }
  } catch (cause) {
    signal.throwIfAborted()
    if (timeout.aborted) throw dnsError('timeout', `the name server ${place} does not answer within ${timeoutMs} ms`)
    const { code = 'it failed' } = cause as NodeJS.ErrnoException
    throw dnsError('unavailable', `the name server ${place} cannot be reached: ${code}`, { cause })
  } finally {
    socket.destroy()
  }
  throw dnsError('answer', `the name server ${place} ended the connection without an answer`, {
    hint: 'does it take TCP connections from this machine?',
  })
}
