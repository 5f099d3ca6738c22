/**
 * Blobs: contents on the local disk, named by their SHA-256.
 *
 * A blob is written beside its place, fsynced and renamed, so under its name it is whole or not there. The name itself
 * is durable after {@link Blobs.sync}, which comes before the commit of whatever refers to it. One process writes;
 * others may read.
 */

import { createHash } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { GroveError } from '../core/errors.ts'
import { blobFile, type Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import { type BlobHash, isBlobHash } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import { findBlob, readBlob, removeDamaged, removeUnused, writeBlob } from './blob-file.ts'
import { createFolderNames, makeFolder } from './durable.ts'

/** The blobs of one data folder. */
export interface Blobs {
  /** Those of the hashes that are not there, each once, in their order. */
  missing(hashes: readonly BlobHash[]): Promise<BlobHash[]>
  /** The length of a blob, or undefined when it is not there. */
  bytesOf(hash: BlobHash): Promise<number | undefined>
  /**
   * Keeps a content and answers its length. The source is read to its end, also when the blob is there already (then
   * that one is kept). Throws `ERR_BLOB_MISMATCH` when the content has another hash, `ERR_TOO_LARGE` when it is longer
   * than `maxBytes`, `ERR_DATA_IO`; then nothing stays behind.
   */
  put(hash: BlobHash, source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<number>
  /** Keeps a content that is in memory and answers its name. */
  putBytes(bytes: Uint8Array): Promise<BlobHash>
  /** A whole content, checked against its name. Throws `ERR_BLOB_MISSING`, `ERR_BLOB_CORRUPT`. */
  read(hash: BlobHash): Promise<Buffer>
  /**
   * Reads a blob and removes it when its content is not that of its name, so that it can be put again. Answers whether
   * it was removed. Throws `ERR_DATA_IO`.
   */
  discardDamaged(hash: BlobHash): Promise<boolean>
  /** Makes all names durable that were given until the call. Throws `ERR_DATA_IO`; after a failed fsync it always does. */
  sync(): Promise<void>
  /**
   * Removes blobs that `keep` does not want and that nobody asked for or wrote in the last `olderThanMs`. That time
   * has to be longer than what lies between making the list behind `keep` and the end of the sweep, so that a publish
   * meanwhile does not lose a blob that it found; 0 is right only while nobody can publish. Stops early when `signal`
   * aborts, and answers what it did.
   */
  sweep(
    keep: (hash: BlobHash) => boolean,
    options: { readonly olderThanMs: number; readonly signal?: AbortSignal },
  ): Promise<{ removed: number; bytes: number }>
}

/** Opens the blobs of a data folder: makes the folders and removes what an earlier process had not finished. */
export async function openBlobs(layout: Layout): Promise<Blobs> {
  await rm(layout.temporary, { recursive: true, force: true })
  await makeFolder(layout.temporary)
  await makeFolder(layout.blobs)
  const folders = Array.from({ length: 256 }, (_, index) => join(layout.blobs, index.toString(16).padStart(2, '0')))
  await Promise.all(folders.map((folder) => mkdir(folder, { recursive: true, mode: 0o700 })))
  // An earlier process may have ended between giving a name and syncing its folder; so the first sync takes them all.
  const names = createFolderNames([layout.blobs, ...folders])

  const bytesOf = async (hash: BlobHash) => findBlob(blobFile(layout, checked(hash)))
  const put: Blobs['put'] = async (hash, source, maxBytes) => {
    return writeBlob({ hash, file: blobFile(layout, checked(hash)), layout, names }, source, maxBytes)
  }
  return {
    bytesOf,
    put,
    async missing(hashes) {
      const missing = new Set(hashes)
      await forEachParallel([...missing], limits.store.blobLookups, async (hash) => {
        if ((await bytesOf(hash)) !== undefined) missing.delete(hash)
      })
      return [...missing]
    },
    async putBytes(bytes) {
      const hash = createHash('sha256').update(bytes).digest('hex')
      if ((await bytesOf(hash)) === undefined) await put(hash, once(bytes), bytes.length)
      return hash
    },
    read: async (hash) => readBlob(blobFile(layout, checked(hash)), hash),
    discardDamaged: async (hash) => removeDamaged(blobFile(layout, checked(hash)), hash),
    sync: names.sync,
    async sweep(keep, { olderThanMs, signal }) {
      const done = { removed: 0, bytes: 0 }
      for (const folder of folders) {
        await nextTurn()
        for (const name of await readdir(folder)) {
          if (signal?.aborted) return done
          if (!isBlobHash(name) || keep(name)) continue
          const bytes = removeUnused(join(folder, name), Date.now() - olderThanMs)
          if (bytes === undefined) continue
          done.removed += 1
          done.bytes += bytes
        }
      }
      return done
    },
  }
}

function checked(hash: BlobHash): BlobHash {
  if (isBlobHash(hash)) return hash
  throw new GroveError('ERR_BAD_REQUEST', `${JSON.stringify(String(hash).slice(0, 80))} is not a SHA-256 in hex`)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
