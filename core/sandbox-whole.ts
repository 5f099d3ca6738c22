/**
 * Frames that carry a head and all of its body, `wholeRequest` and `wholeAnswer`: their payload is `u32le bytesOfHead | head |
 * body`. Most bodies are small and here at once; in one frame they cost each end one look instead of three, and whoever
 * takes them knows their length before it begins.
 */

import { limits } from './limits.ts'
import { encodeFrameHead, type FrameType, frameHeadBytes } from './sandbox-frames.ts'

/** Bytes before the head. */
const lengthBytes = 4

/** How large such a body may be, in bytes; larger ones go in pieces, as there is credit. */
export const wholeBytes = limits.sandboxLink.chunkBytes

/**
 * Encodes one as pieces to be sent one after the other. `head` is JSON, `body` a text (sent as UTF-8) or bytes; large bytes are
 * not copied.
 */
export function encodeWhole(type: FrameType, stream: number, head: string, body: string | Uint8Array): Uint8Array[] {
  const headBytes = Buffer.byteLength(head)
  const bodyBytes = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  const isApart = typeof body !== 'string' && bodyBytes >= limits.sandboxLink.apartBytes
  const bodyAt = frameHeadBytes + lengthBytes + headBytes
  const frame = Buffer.allocUnsafe(bodyAt + (isApart ? 0 : bodyBytes))
  encodeFrameHead(frame, type, stream, lengthBytes + headBytes + bodyBytes)
  frame.writeUInt32LE(headBytes, frameHeadBytes)
  frame.write(head, frameHeadBytes + lengthBytes, 'utf8')
  if (typeof body === 'string') frame.write(body, bodyAt, 'utf8')
  else if (isApart) return [frame, body]
  else frame.set(body, bodyAt)
  return [frame]
}

/** Takes a payload apart, without copying; undefined if it is none. Whether the head is one is for its reader to find out. */
export function splitWhole(payload: Buffer): { readonly head: Buffer; readonly body: Buffer } | undefined {
  if (payload.length < lengthBytes) return undefined
  const bodyAt = lengthBytes + payload.readUInt32LE(0)
  if (bodyAt > payload.length || payload.length - bodyAt > wholeBytes) return undefined
  return { head: payload.subarray(lengthBytes, bodyAt), body: payload.subarray(bodyAt) }
}
