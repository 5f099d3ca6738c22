/** A file that is written from its beginning on and then stands for itself: its length, its hash, forced to disk. */

import { createHash } from 'node:crypto'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import type { Environment } from '../environment.ts'

/** A file being written. Ends with {@link Output.finish} or {@link Output.discard}. */
export interface Output {
  /** Bytes that were given so far. */
  readonly offset: number
  /** Adds bytes, which must not change until the file is finished: small ones are gathered before they are written. */
  write(bytes: Uint8Array): Promise<void>
  /** Resolves when all of it is on the disk. */
  finish(): Promise<void>
  /** SHA-256 of all that was given. To be asked once, at the end. */
  hash(): BlobHash
  /** Closes and removes the file. Never rejects. */
  discard(): Promise<void>
}

/** Makes a new file. Rejects with the system's error. */
export async function createOutput(env: Environment, file: string): Promise<Output> {
  const writer = await env.files.create(file)
  const sha256 = createHash('sha256')
  let pieces: Uint8Array[] = []
  let gathered = 0
  let offset = 0

  const flush = async () => {
    const bytes = Buffer.concat(pieces)
    pieces = []
    gathered = 0
    if (bytes.length > 0) await writer.write(bytes)
  }
  return {
    get offset() {
      return offset
    },
    async write(bytes) {
      sha256.update(bytes)
      pieces.push(bytes)
      gathered += bytes.length
      offset += bytes.length
      if (gathered >= limits.segment.pieceBytes) await flush()
    },
    async finish() {
      await flush()
      await writer.sync()
      await writer.close()
    },
    hash: () => sha256.digest('hex'),
    async discard() {
      // The error that led here is the one to tell; a file that stays is removed at the next start.
      await writer.close().catch(() => {})
      await env.files.remove(file).catch(() => {})
    },
  }
}
