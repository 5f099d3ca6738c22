/**
 * Encoding a content in br, zstd or gzip, as small as each can: it is done once per content, and every visitor gains.
 */

import { Readable, type Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import {
  brotliDecompress,
  constants,
  createBrotliCompress,
  createGzip,
  createZstdCompress,
  gunzip,
  zstdDecompress,
} from 'node:zlib'
import type { Coding } from '../core/compiled.ts'

/** What is handed to an encoder at a time: between two pieces it can be stopped. */
const pieceBytes = 65_536

/**
 * The largest window that a decoder of the HTTP coding has to have: 8 MB (RFC 9659 section 3). Level 19 would take that
 * much by itself in this release of the library; it is said so that no later one takes more.
 */
const zstdWindowLog = 23

/**
 * A content in a coding. The same content gives the same bytes with the same release of Node: no names, no times.
 * Rejects with an `AbortError` when the signal aborts; what a thread is doing then ends with its piece.
 */
export async function encode(content: Buffer, coding: Coding, type: string, signal: AbortSignal): Promise<Buffer> {
  const encoded: Buffer[] = []
  await pipeline(
    Readable.from(piecesOf(content), { objectMode: false }),
    createEncoder(content.length, coding, type),
    async (pieces: AsyncIterable<Buffer>) => {
      for await (const piece of pieces) encoded.push(piece)
    },
    { signal },
  )
  return Buffer.concat(encoded)
}

/** What an encoded content decodes to. Rejects when it is damaged, or decodes to more than `maxBytes`. */
export function decode(encoded: Buffer, coding: Coding, maxBytes: number): Promise<Buffer> {
  return decoders[coding](encoded, { maxOutputLength: Math.max(1, maxBytes) })
}

const decoders = { br: promisify(brotliDecompress), zstd: promisify(zstdDecompress), gzip: promisify(gunzip) }

function* piecesOf(content: Buffer): Generator<Buffer> {
  for (let at = 0; at < content.length; at += pieceBytes) yield content.subarray(at, at + pieceBytes)
}

function createEncoder(bytes: number, coding: Coding, type: string): Transform {
  switch (coding) {
    case 'br':
      return createBrotliCompress({
        params: {
          [constants.BROTLI_PARAM_QUALITY]: 11,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes,
          [constants.BROTLI_PARAM_MODE]: type.includes('charset=utf-8')
            ? constants.BROTLI_MODE_TEXT
            : constants.BROTLI_MODE_GENERIC,
        },
      })
    case 'zstd':
      return createZstdCompress({
        pledgedSrcSize: bytes,
        params: { [constants.ZSTD_c_compressionLevel]: 19, [constants.ZSTD_c_windowLog]: zstdWindowLog },
      })
    case 'gzip':
      return createGzip({ level: 9 })
  }
}
