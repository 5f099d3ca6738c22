/** The bytes that are to become an object, from memory or from a file, checked while they are read. */

import { createHash } from 'node:crypto'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { toDiskError } from '../disk-error.ts'
import type { Environment } from '../environment.ts'
import type { ObjectSource } from './objects.ts'

/** What is known of a source before it is read. */
export interface SourceFacts {
  readonly length: number
  readonly sha256: BlobHash
}

/** Length and hash of a source; of a file what was said of it. */
export function factsOf(source: ObjectSource): SourceFacts {
  if ('file' in source) return source
  return { length: source.bytes.length, sha256: createHash('sha256').update(source.bytes).digest('hex') }
}

/**
 * The bytes in pieces. Rejects with `ERR_BLOB_MISMATCH` before the last byte is out when a file is not of the length or
 * hash that was said of it, and with `ERR_DATA_IO`.
 */
export async function* piecesOf(env: Environment, source: ObjectSource): AsyncGenerator<Buffer> {
  if ('bytes' in source) {
    const { buffer, byteOffset, length } = source.bytes
    for (let at = 0; at < length; at += limits.objects.pieceBytes)
      yield Buffer.from(buffer, byteOffset + at, Math.min(limits.objects.pieceBytes, length - at))
    return
  }
  const { file, length, sha256 } = source
  const hash = createHash('sha256')
  for (let at = 0; at < length; ) {
    const piece = await readPiece(env, file, at, Math.min(limits.objects.pieceBytes, length - at))
    at += piece.length
    hash.update(piece)
    if (piece.length === 0) throw mismatch(file, `it has ${at} bytes, expected ${length}`)
    if (at === length && hash.digest('hex') !== sha256) throw mismatch(file, 'its content has another hash')
    yield piece
  }
  if (length === 0 && hash.digest('hex') !== sha256) throw mismatch(file, 'its content has another hash')
}

async function readPiece(env: Environment, file: string, offset: number, length: number): Promise<Buffer> {
  try {
    return await env.files.readRange(file, offset, length)
  } catch (error) {
    throw toDiskError(`read ${file}`, error)
  }
}

/** Whether what is read has a hash. */
export async function hasHash(pieces: AsyncIterable<Uint8Array>, sha256: BlobHash): Promise<boolean> {
  const hash = createHash('sha256')
  for await (const piece of pieces) hash.update(piece)
  return hash.digest('hex') === sha256
}

function mismatch(file: string, why: string): GroveError {
  return new GroveError('ERR_BLOB_MISMATCH', `${file} is not what it was said to be: ${why}`)
}
