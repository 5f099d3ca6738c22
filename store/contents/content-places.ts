/** Contents in the places where they may lie: made, looked for, read from the first that has them. */

import { join } from 'node:path'
import type { Layout } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { isMissingFile, toDiskError } from '../disk-error.ts'
import type { Environment } from '../environment.ts'
import { missingContents } from './content-file.ts'

/** A content that is found is marked as used when its last mark is older than this. */
const markAfterMs = 60_000

/** Makes the folders of contents, and empties the one of files that were being written. Rejects with `ERR_DATA_IO`. */
export async function prepareFolders(env: Environment, layout: Layout): Promise<void> {
  try {
    await env.files.removeFolder(layout.temporary)
    await env.files.makeFolder(layout.temporary)
    await env.files.makeFolder(layout.tails)
    const names = Array.from({ length: 256 }, (_, index) => index.toString(16).padStart(2, '0'))
    for (const root of [layout.blobs, layout.uploads])
      await forEachParallel(names, limits.store.folderSyncs, (name) => env.files.makeFolder(join(root, name)))
  } catch (error) {
    throw toDiskError('prepare the data folder', error)
  }
}

/** The length of a file, which counts as used now; undefined when there is none. Rejects with `ERR_DATA_IO`. */
export async function markUsed(env: Environment, file: string, hash: BlobHash): Promise<number | undefined> {
  try {
    const found = await env.files.stat(file)
    if (found && env.now() - found.modifiedMs > markAfterMs) await env.files.touch(file)
    return found?.bytes
  } catch (error) {
    throw toDiskError(`look for content ${hash}`, error)
  }
}

/** A content from the first of some files that is there. Rejects with `ERR_BLOB_MISSING`, `ERR_DATA_IO`. */
export async function readFirst(env: Environment, hash: BlobHash, files: readonly string[]): Promise<Buffer> {
  for (const file of files) {
    try {
      return await env.files.read(file)
    } catch (error) {
      if (!isMissingFile(error)) throw toDiskError(`read content ${hash}`, error)
    }
  }
  throw missingContents([hash])
}

/** The same piece by piece. */
export async function* streamFirst(env: Environment, hash: BlobHash, files: readonly string[]): AsyncGenerator<Buffer> {
  for (const file of files) {
    let begun = false
    try {
      for await (const chunk of env.files.stream(file)) {
        begun = true
        yield chunk
      }
      return
    } catch (error) {
      if (begun || !isMissingFile(error)) throw toDiskError(`read content ${hash}`, error)
    }
  }
  throw missingContents([hash])
}
