/**
 * The bytes of a large content's object. Plain: the content itself. Sealed: blocks of 1 MiB, the last one shorter, each
 * under AES-256-GCM with its tag of 16 bytes after it. An empty content has one empty block.
 *
 * The object has a random key of its own; the reference has it wrapped (keyring.ts), bound to `["grove bare key 1",
 * owner, log, hash, bytes]`. The nonce of block n is 7 bytes 0, n in 4 bytes, and 1 byte: 1 for the last block, else 0
 * (the STREAM construction: Hoang, Reyhanitabar, Rogaway, Vizár, 2015). So a block opens in its own place only, and an
 * object that was cut off does not pass for a shorter one. Bound to each block: `["grove bare 1", owner, log, hash,
 * bytes]`.
 */

import { limits } from '../../core/limits.ts'
import { bind, nonceBytes, tagBytes } from './seal.ts'
import type { BareRef, SiteContext } from './segment.ts'

/** What a sealed content is bound to, beside its site. */
export type BareContent = Pick<BareRef, 'hash' | 'bytes'>

/** Length of a sealed block that is not the last one. */
export const storedBlockBytes = limits.segment.blockBytes + tagBytes

/** How many blocks a sealed content has. At least 1. */
export function blocksOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / limits.segment.blockBytes))
}

/** Length of the object of a sealed content. */
export function storedBytesOf(bytes: number): number {
  return bytes + blocksOf(bytes) * tagBytes
}

/** Where a block lies in the object. `block`: from 0. */
export function storedBlock(bytes: number, block: number): { readonly offset: number; readonly length: number } {
  const offset = block * storedBlockBytes
  return { offset, length: Math.min(storedBlockBytes, storedBytesOf(bytes) - offset) }
}

/** The nonce of a block; see above. */
export function blockNonce(bytes: number, block: number): Buffer {
  const nonce = Buffer.alloc(nonceBytes)
  nonce.writeUInt32BE(block, 7)
  nonce.writeUInt8(block === blocksOf(bytes) - 1 ? 1 : 0, 11)
  return nonce
}

/** What each block is bound to. */
export function boundBlock({ owner, log }: SiteContext, { hash, bytes }: BareContent): Buffer {
  return bind('bare', owner, log, hash, bytes)
}

/** What the key is bound to. */
export function boundBareKey({ owner, log }: SiteContext, { hash, bytes }: BareContent): Buffer {
  return bind('bare key', owner, log, hash, bytes)
}
