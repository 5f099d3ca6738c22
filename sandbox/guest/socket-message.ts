/** Messages of WebSockets: what can be one, and how many may wait. */

import { bridgeLimits } from '../bridge.ts'
import { blobBytes, isBlob } from './blob.ts'
import { bytesOf, isBufferSource, toUSVString } from './convert.ts'
import { DOMException } from './dom-exception.ts'
import { bytes } from './primordials.ts'

/** What a message is inside the prelude. */
export type Message = string | Uint8Array<ArrayBuffer>

/** Messages that wait until an end is accepted, or until the visitor takes more. */
export const socketBounds = { bufferedBytes: 4 * bridgeLimits.messageBytes, buffered: 1_000 } as const

/** What site code sends as a message: a string, bytes or a blob. Throws a `QuotaExceededError` when it is too large. */
export function toMessage(data: unknown): Message {
  if (typeof data !== 'string' && isBufferSource(data)) return checkedSize(new bytes.Array(bytesOf(data, 'a message')))
  if (isBlob(data)) return checkedSize(bytes.slice(blobBytes(data)))
  const text = toUSVString(data)
  // The bridge counts three bytes for a character.
  if (text.length > bridgeLimits.messageBytes / 3) throw tooLarge()
  return text
}

function checkedSize(data: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.byteLength(data) > bridgeLimits.messageBytes) throw tooLarge()
  return data
}

function tooLarge(): DOMException {
  return new DOMException(`a message has at most ${bridgeLimits.messageBytes} bytes`, 'QuotaExceededError')
}

/** About how many bytes a message has. */
export function sizeOf(data: Message): number {
  return typeof data === 'string' ? data.length : bytes.byteLength(data)
}
