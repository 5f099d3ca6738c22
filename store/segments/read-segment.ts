/**
 * Reading a segment, whole or in parts. Whatever the bytes are, they give what was packed or are refused: the reference,
 * which comes from the log, tells the hash of the index, and the index those of all contents. No more room is taken
 * than the limits allow.
 */

import { hash as digest } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import type { Environment } from '../environment.ts'
import { unpack, unpackNow } from './codec.ts'
import * as format from './format.ts'
import { type Keyring, unwrapKey, wrappedBytes } from './keyring.ts'
import { unseal } from './seal.ts'
import type { Frame, SegmentContext, SegmentHead, SegmentIndex, SegmentRef, SiteContext } from './segment.ts'

/**
 * Reads a segment's index. `bytes`: from the reference's `indexOffset` to the end of the object. Throws
 * `ERR_DATA_FORMAT` for what is not a segment, `ERR_BLOB_CORRUPT` for one that was changed or is another than the
 * reference says, `ERR_KEY_MISSING`.
 */
export function readIndex(ref: SegmentRef, bytes: Buffer, context: SiteContext, keyring?: Keyring): SegmentIndex {
  if (bytes.length !== ref.bytes - ref.indexOffset || bytes.length < format.footerBytes)
    throw corrupt(ref, `ends with ${bytes.length} bytes of index, expected ${ref.bytes - ref.indexOffset}`)
  const footer = format.readFooter(bytes.subarray(bytes.length - format.footerBytes))
  const section = bytes.subarray(0, bytes.length - format.footerBytes)
  if (footer.indexOffset !== ref.indexOffset || footer.tailOffset !== ref.tailOffset)
    throw corrupt(ref, 'is another than was asked for')
  if (
    footer.indexLength !== section.length ||
    footer.indexHash !== ref.indexHash ||
    digest('sha256', section) !== ref.indexHash
  )
    throw corrupt(ref, 'has an index that was changed')
  // A copy: what is kept of a tail must not hold on to all of it.
  const seal = footer.sealed ? Buffer.from(section.subarray(0, wrappedBytes)) : undefined
  const packed = seal ? openIndex({ ref, seal }, section, footer, context, keyring) : section
  const index = unpackNow(packed, footer.indexBytes)
  if (!index) throw format.malformed('an index that does not unpack to what the footer says')
  return { ref, seal, frames: format.decodeIndex(index, footer) }
}

/**
 * The content or node of a frame. `bytes`: the frame's own, from its offset on; what comes out may be a part of them.
 * Throws `ERR_BLOB_CORRUPT` when anything
 * of it was changed or it is another frame's, `ERR_KEY_MISSING`.
 */
export async function openFrame(
  head: SegmentHead,
  frame: Frame,
  bytes: Buffer,
  context: SiteContext,
  keyring?: Keyring,
): Promise<Buffer> {
  if (bytes.length !== frame.length) throw corruptFrame(head, frame, `has ${bytes.length} bytes, not ${frame.length}`)
  // A frame may come from a catalog that nobody has checked; room is made for what it says.
  if (!(frame.bytes >= 0 && frame.bytes <= limits.segment.mostBytes))
    throw corruptFrame(head, frame, `says ${frame.bytes} bytes, which no segment holds`)
  const packed = head.seal ? openSealed(head, head.seal, frame, bytes, context, keyring) : openPlain(bytes)
  if (!packed) throw corruptFrame(head, frame, 'was changed')
  const content = frame.codec === 'raw' ? packed : await unpack(packed, frame.bytes)
  if (content?.length !== frame.bytes || digest('sha256', content) !== frame.hash)
    throw corruptFrame(head, frame, 'holds another content than its hash says')
  return content
}

/**
 * All nodes of a segment, each in memory of its own, in the order in which they lie. `tail`: from the reference's `tailOffset` to the end of the
 * object, or to the index. Throws like {@link openFrame}.
 */
export async function* nodesOfTail(
  index: SegmentIndex,
  tail: Buffer,
  context: SiteContext,
  keyring?: Keyring,
): AsyncGenerator<{ readonly hash: BlobHash; readonly bytes: Buffer }> {
  for (const frame of index.frames.values()) {
    if (frame.kind !== 'node') continue
    const start = frame.offset - index.ref.tailOffset
    const stored = tail.subarray(start, start + frame.length)
    const opened = await openFrame(index, frame, stored, context, keyring)
    // Nodes are kept for long; a part of the tail, or of the buffer that small ones share, would keep all of that.
    const bytes = Buffer.allocUnsafeSlow(opened.length)
    opened.copy(bytes)
    yield { hash: frame.hash, bytes }
  }
}

/** A whole segment to be checked. */
export interface VerifySegmentOptions {
  readonly env: Environment
  readonly ref: SegmentRef
  /** All of the object. */
  readonly bytes: Buffer
  readonly context: SiteContext
  readonly keyring?: Keyring | undefined
}

/**
 * Checks all of a segment: the hash of the whole, the index, every frame. Answers the index. Throws like
 * {@link readIndex} and {@link openFrame}.
 */
export async function verifySegment(options: VerifySegmentOptions): Promise<SegmentIndex> {
  const { env, ref, bytes, context, keyring } = options
  if (bytes.length !== ref.bytes) throw corrupt(ref, `has ${bytes.length} bytes, expected ${ref.bytes}`)
  if (digest('sha256', bytes) !== ref.id) throw corrupt(ref, 'was changed: it has another hash than its name')
  if (!format.headMagic.equals(bytes.subarray(0, format.headMagic.length)))
    throw format.malformed('a beginning that is not that of a segment')
  const index = readIndex(ref, bytes.subarray(ref.indexOffset), context, keyring)
  for (const frame of index.frames.values()) {
    await openFrame(index, frame, bytes.subarray(frame.offset, frame.offset + frame.length), context, keyring)
    await env.turn()
  }
  return index
}

function openIndex(
  head: SegmentHead & { readonly seal: Buffer },
  section: Buffer,
  footer: format.SegmentFooter,
  site: SiteContext,
  keyring: Keyring | undefined,
): Buffer {
  const { ref, seal } = head
  const context = contextOf(ref, site)
  const key = keyOf(ref, seal, context, keyring)
  const bound = format.boundIndex(context, footer.indexBytes)
  const opened = unseal({ key, nonce: format.indexNonce(), bound }, section.subarray(wrappedBytes))
  if (opened) return opened
  throw corrupt(ref, 'has an index that was changed, or that belongs to another segment')
}

function openSealed(
  { ref }: SegmentHead,
  seal: Buffer,
  frame: Frame,
  bytes: Buffer,
  site: SiteContext,
  keyring: Keyring | undefined,
): Buffer | undefined {
  const context = contextOf(ref, site)
  const key = keyOf(ref, seal, context, keyring)
  return unseal({ key, nonce: format.frameNonce(frame.ordinal), bound: format.boundFrame(context, frame) }, bytes)
}

function openPlain(bytes: Buffer): Buffer | undefined {
  if (bytes.length < format.crcBytes) return undefined
  const packed = bytes.subarray(0, bytes.length - format.crcBytes)
  return crc32(packed) === bytes.readUInt32BE(packed.length) ? packed : undefined
}

function keyOf(ref: SegmentRef, seal: Buffer, context: SegmentContext, keyring: Keyring | undefined): Buffer {
  const scope = { owner: context.owner, bound: format.boundKey(context), what: `segment ${ref.id}` }
  return unwrapKey(keyring, scope, seal)
}

function contextOf({ lo, hi }: SegmentRef, { owner, log }: SiteContext): SegmentContext {
  return { owner, log, lo, hi }
}

function corrupt(ref: SegmentRef, why: string): GroveError {
  return new GroveError('ERR_BLOB_CORRUPT', `segment ${ref.id} ${why}`)
}

function corruptFrame({ ref }: SegmentHead, { kind, hash, ordinal }: Frame, why: string): GroveError {
  return new GroveError('ERR_BLOB_CORRUPT', `${kind} ${hash}, frame ${ordinal} of segment ${ref.id}, ${why}`)
}
