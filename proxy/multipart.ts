/**
 * Several parts of a content in one answer: multipart/byteranges (RFC 9110 section 14.6).
 */

import { close, read } from 'node:fs'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import type { FileSlice } from '../core/exchange.ts'
import { randomId } from '../core/ids.ts'
import { type ByteRange, contentRange, rangeBytes } from './ranges.ts'

/** A body of several parts, and what its headers must say. */
export interface MultipartBody {
  /** The value of Content-Type. */
  readonly type: string
  /** Length of the body in bytes. */
  readonly bytes: number
  readonly body: Buffer | Readable
}

const chunkBytes = 65_536

/**
 * The parts of `content` as one body. `total` is the size of the whole content, `type` its media type. Takes an open
 * file over: it is closed with the body. The boundary is random, so no author can write content that ends a part.
 */
export function multipartBody(
  content: Buffer | FileSlice,
  ranges: readonly ByteRange[],
  total: number,
  type: string,
): MultipartBody {
  const boundary = randomId()
  const parts = ranges.map((range, index) => ({
    range,
    head: Buffer.from(
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\n` +
        `content-type: ${type}\r\ncontent-range: ${contentRange(range, total)}\r\n\r\n`,
    ),
  }))
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`)
  let bytes = tail.length
  for (const { range, head } of parts) bytes += head.length + rangeBytes(range)
  const body = Buffer.isBuffer(content) ? joinParts(content, parts, tail) : streamParts(content, parts, tail)
  return { type: `multipart/byteranges; boundary=${boundary}`, bytes, body }
}

interface Part {
  readonly range: ByteRange
  /** The delimiter and the part's own headers. */
  readonly head: Buffer
}

function joinParts(content: Buffer, parts: readonly Part[], tail: Buffer): Buffer {
  const pieces = parts.flatMap(({ range, head }) => [head, content.subarray(range.first, range.last + 1)])
  return Buffer.concat([...pieces, tail])
}

function streamParts(slice: FileSlice, parts: readonly Part[], tail: Buffer): Readable {
  const stream = Readable.from(readParts(slice, parts, tail), { objectMode: false })
  // Here and not in the generator: one that was never begun would not run its `finally`. The stream closes after a
  // read that is under way.
  stream.once('close', () => close(slice.fd, () => {})) // Read-only: nothing is lost if closing fails.
  return stream
}

const readFile = promisify(read)

async function* readParts(slice: FileSlice, parts: readonly Part[], tail: Buffer): AsyncGenerator<Buffer> {
  for (const { range, head } of parts) {
    yield head
    for (let at = range.first; at <= range.last; ) {
      const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, range.last + 1 - at))
      const { bytesRead } = await readFile(slice.fd, buffer, 0, buffer.length, slice.offset + at)
      if (bytesRead === 0) throw new RangeError(`file ended at ${at}, expected ${range.last + 1} bytes`)
      yield buffer.subarray(0, bytesRead)
      at += bytesRead
    }
  }
  yield tail
}
