/** How contents are packed: zstd where it helps, else as they are. */

import { promisify } from 'node:util'
import {
  constants,
  type ZstdOptions,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
} from 'node:zlib'
import { limits } from '../../core/limits.ts'
import type { FrameCodec } from './segment.ts'

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)
const level = 9

/** What packing has to save, as a share of the content, to be worth the unpacking. */
const leastGain = 0.05

/** A content as it goes into a frame. */
export interface Packed {
  readonly codec: FrameCodec
  readonly bytes: Uint8Array
}

/**
 * Packs a content, or leaves it as it is when that saves less than 5 % (it is compressed already, as a rule). Small ones
 * are packed at once, since a thread costs more than it takes; larger ones by another thread.
 */
export async function pack(bytes: Uint8Array): Promise<Packed> {
  const options: ZstdOptions = {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: bytes.length,
  }
  const isSmall = bytes.length <= limits.segment.packInLineBytes
  const packed = isSmall ? zstdCompressSync(bytes, options) : await compress(bytes, options)
  return packed.length <= bytes.length * (1 - leastGain) ? { codec: 'zstd', bytes: packed } : { codec: 'raw', bytes }
}

/** An index is always packed, whatever it gains. */
export function packIndex(bytes: Uint8Array): Buffer {
  return zstdCompressSync(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: bytes.length,
  })
}

/**
 * Unpacks what should give `bytes` bytes. Undefined when it does not, or is no zstd; then not much more was unpacked,
 * and no window of more than 2^`limits.segment.windowLog` bytes was made room for.
 */
export async function unpack(packed: Uint8Array, bytes: number): Promise<Buffer | undefined> {
  if (bytes <= limits.segment.openInLineBytes) return unpackNow(packed, bytes)
  try {
    return ofLength(await decompress(packed, unpackOptions(bytes)), bytes)
  } catch {
    // Whatever zstd has against these bytes, they are not what was packed.
    return undefined
  }
}

/** Like {@link unpack}, on this thread. */
export function unpackNow(packed: Uint8Array, bytes: number): Buffer | undefined {
  try {
    return ofLength(zstdDecompressSync(packed, unpackOptions(bytes)), bytes)
  } catch {
    return undefined
  }
}

function unpackOptions(bytes: number): ZstdOptions {
  // One piece of the right size; the default, many of 16 KiB, would keep so much for the smallest content.
  const chunkSize = Math.max(constants.Z_MIN_CHUNK, bytes + 1)
  return {
    maxOutputLength: Math.max(1, bytes),
    chunkSize,
    params: { [constants.ZSTD_d_windowLogMax]: limits.segment.windowLog },
  }
}

function ofLength(unpacked: Buffer, bytes: number): Buffer | undefined {
  return unpacked.length === bytes ? unpacked : undefined
}
