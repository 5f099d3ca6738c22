/**
 * The payload of a `wholeAnswer` frame: `u32le bytesOfHead | head | body`. Most answers are small and here at once; in one
 * frame they cost a front one look instead of three, and it knows their length before it begins to send them.
 */

import { limits } from './limits.ts'

/** Bytes before the head. */
const lengthBytes = 4

/** How large the body of such an answer may be, in bytes; larger ones go in pieces, as there is credit. */
export const wholeAnswerBytes = limits.sandboxLink.chunkBytes

/** Encodes one. `head` is the JSON of an answer's head, `body` a text (sent as UTF-8) or bytes. */
export function encodeWholeAnswer(head: string, body: string | Uint8Array): Buffer {
  const headBytes = Buffer.byteLength(head)
  const bodyBytes = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  const payload = Buffer.allocUnsafe(lengthBytes + headBytes + bodyBytes)
  payload.writeUInt32LE(headBytes, 0)
  payload.write(head, lengthBytes, 'utf8')
  if (typeof body === 'string') payload.write(body, lengthBytes + headBytes, 'utf8')
  else payload.set(body, lengthBytes + headBytes)
  return payload
}

/** Takes one apart, without copying; undefined if it is none. Whether the head is one is for its reader to find out. */
export function splitWholeAnswer(payload: Buffer): { readonly head: Buffer; readonly body: Buffer } | undefined {
  if (payload.length < lengthBytes) return undefined
  const bodyAt = lengthBytes + payload.readUInt32LE(0)
  if (bodyAt > payload.length || payload.length - bodyAt > wholeAnswerBytes) return undefined
  return { head: payload.subarray(lengthBytes, bodyAt), body: payload.subarray(bodyAt) }
}
