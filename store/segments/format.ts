/**
 * The bytes of a segment, format 1. Numbers are unsigned and big-endian.
 *
 * | bytes | are |
 * |---|---|
 * | 8 | `GROVESEG` |
 * | … | the frames of contents, then the frames of nodes, one after the other without a gap |
 * | 0 or 68 | sealed segments only: the wrapped key (keyring.ts): key id 8, nonce 12, sealed key 32, tag 16 |
 * | … | the index: a zstd frame; sealed segments: that frame sealed, with its tag of 16 bytes |
 * | 64 | the footer |
 *
 * `tailOffset` is where the first node's frame begins, `indexOffset` where the frames end: there begins the wrapped key
 * of a sealed segment, the index of a plain one.
 *
 * A frame is what is packed and a check at its end. Plain: the content or its zstd frame, then 4 bytes CRC-32 of that.
 * Sealed: the same bytes under AES-256-GCM, then the tag of 16 bytes. A frame that was damaged is so known before
 * anything unpacks it. What comes out has to have the hash and the length that the index says.
 *
 * The index, unpacked, has 42 bytes for each frame, in the order in which they lie. A frame's number in it, from 0, is
 * its ordinal, and the sum of the lengths before it tells its offset: so frames can neither overlap nor leave a gap.
 *
 * | offset | bytes | is |
 * |---|---|---|
 * | 0 | 32 | SHA-256 of what comes out; no two are equal |
 * | 32 | 1 | kind: 0 content, 1 node; no content comes after a node |
 * | 33 | 1 | codec: 0 raw, 1 zstd |
 * | 34 | 4 | length of what comes out |
 * | 38 | 4 | length of the frame in the segment |
 *
 * The footer:
 *
 * | offset | bytes | is |
 * |---|---|---|
 * | 0 | 4 | `tailOffset` |
 * | 4 | 4 | `indexOffset` |
 * | 8 | 4 | length of what lies between `indexOffset` and the footer |
 * | 12 | 4 | length of the unpacked index |
 * | 16 | 32 | SHA-256 of what lies between `indexOffset` and the footer |
 * | 48 | 2 | format: 1 |
 * | 50 | 1 | 1 when the segment is sealed, else 0 |
 * | 51 | 1 | 0 |
 * | 52 | 4 | CRC-32 of the 52 bytes before |
 * | 56 | 8 | `GROVEEND` |
 *
 * Sealing: the segment has a random key of its own. The nonce of frame n is 8 bytes 0 and n in 4 bytes, that of the
 * index is 8 bytes 255 and 4 bytes 0. Bound in, as JSON arrays: for the key `["grove segment key 1", owner, log, lo,
 * hi]`, for the index `["grove index 1", owner, log, lo, hi, length of the unpacked index]`, for a frame `["grove frame
 * 1", owner, log, lo, hi, ordinal, hash, kind, codec, bytes]`.
 */

import { crc32 } from 'node:zlib'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { wrappedBytes } from './keyring.ts'
import { bind, nonceBytes, tagBytes } from './seal.ts'
import type { Frame, FrameCodec, FrameKind, SegmentContext } from './segment.ts'

/** How a segment begins. */
export const headMagic = Buffer.from('GROVESEG')

/** Length of the footer in bytes. */
export const footerBytes = 64

/** Length of one frame's record in an unpacked index. */
export const recordBytes = 42

/** Length of the check at the end of a plain frame. */
export const crcBytes = 4

const version = 1
const endMagic = Buffer.from('GROVEEND')
const kinds: readonly FrameKind[] = ['content', 'node']
const codecs: readonly FrameCodec[] = ['raw', 'zstd']

/** The footer: where the index lies, and its sums. */
export interface SegmentFooter {
  readonly tailOffset: number
  readonly indexOffset: number
  /** Between the index's offset and the footer: the wrapped key, if any, and the stored index. */
  readonly indexLength: number
  readonly indexBytes: number
  readonly indexHash: BlobHash
  readonly sealed: boolean
}

/** The footer's 64 bytes. */
export function encodeFooter(footer: SegmentFooter): Buffer {
  const bytes = Buffer.alloc(footerBytes)
  bytes.writeUInt32BE(footer.tailOffset, 0)
  bytes.writeUInt32BE(footer.indexOffset, 4)
  bytes.writeUInt32BE(footer.indexLength, 8)
  bytes.writeUInt32BE(footer.indexBytes, 12)
  bytes.write(footer.indexHash, 16, 'hex')
  bytes.writeUInt16BE(version, 48)
  bytes.writeUInt8(footer.sealed ? 1 : 0, 50)
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 52)), 52)
  endMagic.copy(bytes, 56)
  return bytes
}

/**
 * Reads the last 64 bytes of a segment. What it says is checked by itself: a footer that passes has offsets in order
 * and lengths within the limits. Throws `ERR_DATA_FORMAT`, `ERR_BLOB_CORRUPT`.
 */
export function readFooter(bytes: Buffer): SegmentFooter {
  if (bytes.length !== footerBytes) throw malformed(`a footer of ${bytes.length} bytes, expected ${footerBytes}`)
  if (!endMagic.equals(bytes.subarray(56))) throw malformed('an end that is not that of a segment')
  if (crc32(bytes.subarray(0, 52)) !== bytes.readUInt32BE(52))
    throw new GroveError('ERR_BLOB_CORRUPT', 'the footer of a segment was changed')
  const found = bytes.readUInt16BE(48)
  if (found !== version) throw malformed(`format ${found}, expected ${version}`)
  const flags = bytes.readUInt16BE(50)
  if (flags !== 0 && flags !== 0x100) throw malformed('flags that are not known')
  const footer: SegmentFooter = {
    tailOffset: bytes.readUInt32BE(0),
    indexOffset: bytes.readUInt32BE(4),
    indexLength: bytes.readUInt32BE(8),
    indexBytes: bytes.readUInt32BE(12),
    indexHash: bytes.toString('hex', 16, 48),
    sealed: flags !== 0,
  }
  checkFooter(footer)
  return footer
}

function checkFooter({ tailOffset, indexOffset, indexLength, indexBytes, sealed }: SegmentFooter): void {
  const least = sealed ? wrappedBytes + tagBytes + 1 : 1
  if (tailOffset < headMagic.length || tailOffset > indexOffset) throw malformed('a tail in a place that cannot be')
  if (indexLength < least) throw malformed(`an index of ${indexLength} bytes`)
  if (indexBytes === 0 || indexBytes % recordBytes !== 0 || indexBytes > limits.segment.entries * recordBytes)
    throw malformed(`an unpacked index of ${indexBytes} bytes`)
}

/** The unpacked index of some frames, given in the order in which they lie. */
export function encodeIndex(frames: readonly Frame[]): Buffer {
  const bytes = Buffer.alloc(frames.length * recordBytes)
  for (const [index, frame] of frames.entries()) {
    const at = index * recordBytes
    bytes.write(frame.hash, at, 'hex')
    bytes.writeUInt8(kinds.indexOf(frame.kind), at + 32)
    bytes.writeUInt8(codecs.indexOf(frame.codec), at + 33)
    bytes.writeUInt32BE(frame.bytes, at + 34)
    bytes.writeUInt32BE(frame.length, at + 38)
  }
  return bytes
}

/**
 * Reads an unpacked index. What it says has to fit the footer: frames that fill the segment up to the index, nodes that
 * begin at the tail, lengths that a codec can give, all within the limits. Throws `ERR_DATA_FORMAT`.
 */
export function decodeIndex(bytes: Buffer, footer: SegmentFooter): Map<BlobHash, Frame> {
  const frames = new Map<BlobHash, Frame>()
  const end = { offset: headMagic.length, tailOffset: undefined as number | undefined, bytes: 0 }
  for (let at = 0; at < bytes.length; at += recordBytes) {
    const frame = decodeRecord(bytes.subarray(at, at + recordBytes), frames.size, end.offset)
    checkFrame(frame, footer.sealed)
    if (frames.has(frame.hash)) throw malformed(`the content ${frame.hash} twice`)
    if (frame.kind === 'node') end.tailOffset ??= frame.offset
    else if (end.tailOffset !== undefined) throw malformed('a content after a node')
    end.offset += frame.length
    end.bytes += frame.bytes
    if (end.bytes > limits.segment.mostBytes) throw malformed(`contents of more than ${limits.segment.mostBytes} bytes`)
    frames.set(frame.hash, frame)
  }
  if (end.offset !== footer.indexOffset) throw malformed('frames that do not end where the index begins')
  if ((end.tailOffset ?? end.offset) !== footer.tailOffset)
    throw malformed('nodes that do not begin where the tail does')
  return frames
}

function decodeRecord(record: Buffer, ordinal: number, offset: number): Frame {
  const kind = kinds[record.readUInt8(32)]
  const codec = codecs[record.readUInt8(33)]
  if (kind === undefined || codec === undefined) throw malformed('a frame of a kind that is not known')
  const hash = record.toString('hex', 0, 32)
  return { hash, kind, codec, ordinal, bytes: record.readUInt32BE(34), offset, length: record.readUInt32BE(38) }
}

/** A packed frame is shorter than what comes out: so nothing that is read takes more room than the limits allow. */
function checkFrame({ codec, bytes, length }: Frame, sealed: boolean): void {
  const packed = length - checkBytes(sealed)
  const fits = codec === 'raw' ? packed === bytes : packed > 0 && packed < bytes
  if (!fits) throw malformed(`a ${codec} frame of ${length} bytes for ${bytes}`)
}

/** Length of the check at the end of a frame. */
export function checkBytes(sealed: boolean): number {
  return sealed ? tagBytes : crcBytes
}

/** The nonce of a frame; see above. */
export function frameNonce(ordinal: number): Buffer {
  const nonce = Buffer.alloc(nonceBytes)
  nonce.writeUInt32BE(ordinal, 8)
  return nonce
}

/** The nonce of an index: none of a frame's. */
export function indexNonce(): Buffer {
  return Buffer.alloc(nonceBytes, 255).fill(0, 8)
}

/** What a frame is bound to. */
export function boundFrame(context: SegmentContext, frame: Omit<Frame, 'offset' | 'length'>): Buffer {
  const { owner, log, lo, hi } = context
  return bind('frame', owner, log, lo, hi, frame.ordinal, frame.hash, frame.kind, frame.codec, frame.bytes)
}

/** What an index is bound to. `bytes`: unpacked. */
export function boundIndex({ owner, log, lo, hi }: SegmentContext, bytes: number): Buffer {
  return bind('index', owner, log, lo, hi, bytes)
}

/** What a segment's key is bound to. */
export function boundKey({ owner, log, lo, hi }: SegmentContext): Buffer {
  return bind('segment key', owner, log, lo, hi)
}

/** An error for bytes that are not a segment. `what`: what was found, `an index of 0 bytes`. */
export function malformed(what: string): GroveError {
  return new GroveError('ERR_DATA_FORMAT', `not a segment of this format: found ${what}`)
}
