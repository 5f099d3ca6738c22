/** HTTP/2 frames by hand, for tests of what no honest client sends (RFC 9113 section 4.1, RFC 7541 section 6.2.2). */

import type { Harness, RawConnection } from './transport-harness.ts'
import { connectRaw, tlsFor } from './transport-harness.ts'

/** Frame types by name. */
export const frameType = {
  data: 0,
  headers: 1,
  rst: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const

/** Flags by name. */
export const flag = { ack: 1, endStream: 1, endHeaders: 4 } as const

/** One frame. */
export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** A frame as bytes. */
export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A header block: literals without indexing and without Huffman codes; latin1. */
export function block(headers: readonly (readonly [string, string])[]): Buffer {
  const parts: Buffer[] = []
  for (const [name, value] of headers) parts.push(Buffer.from([0]), literal(name), literal(value))
  return Buffer.concat(parts)
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const length = [127]
  let rest = bytes.length - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128)
  length.push(rest)
  return Buffer.concat([Buffer.from(length), bytes])
}

/** The pseudo-headers of a plain GET. */
export function pseudo(path = '/', authority = 'blog.localhost'): [string, string][] {
  return [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', path],
    [':authority', authority],
  ]
}

/** A raw HTTP/2 connection that has sent its preface. */
export interface RawHttp2 {
  readonly connection: RawConnection
  send(...frames: readonly Buffer[]): void
  /** Every whole frame that has arrived. */
  frames(): Frame[]
}

/** Opens a TLS connection with ALPN `h2` and sends the preface and empty SETTINGS. */
export async function connectRawHttp2(harness: Harness, greet = true): Promise<RawHttp2> {
  const connection = await connectRaw(harness.ports.https, tlsFor(harness, { ALPNProtocols: ['h2'] }))
  if (greet) {
    connection.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    connection.send(frame(frameType.settings, 0, 0))
  }
  return {
    connection,
    send: (...frames) => {
      for (const bytes of frames) connection.send(bytes)
    },
    frames: () => parseFrames(Buffer.from(connection.text, 'latin1')),
  }
}

function parseFrames(bytes: Buffer): Frame[] {
  const frames: Frame[] = []
  for (let at = 0; at + 9 <= bytes.length; ) {
    const length = bytes.readUIntBE(at, 3)
    const end = at + 9 + length
    if (end > bytes.length) break
    const [type = 0, flags = 0] = bytes.subarray(at + 3, at + 5)
    frames.push({ type, flags, stream: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + 9, end) })
    at = end
  }
  return frames
}
