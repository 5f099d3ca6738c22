/**
 * Blobs: contents on the local disk, named by their SHA-256.
 *
 * A blob is written beside its place, fsynced and renamed, so under its name it is whole or not there. The name itself
 * is durable after {@link Blobs.sync}, which comes before the commit of whatever refers to it. One process writes;
 * others may read.
 */

import { createHash } from 'node:crypto'
import { existsSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { GroveError } from '../core/errors.ts'
import { randomId } from '../core/ids.ts'
import { blobFile, type Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import { type BlobHash, isBlobHash } from '../core/names.ts'
import { makeFolder, syncFolder, toDiskError } from './durable.ts'

/** The blobs of one data folder. */
export interface Blobs {
  has(hash: BlobHash): Promise<boolean>
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
  /** Makes all names durable that were given until the call. Throws `ERR_DATA_IO`; from then on it always does. */
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

/** A blob that is found is marked as used when its last mark is older than this. Small beside any time of a sweep. */
const markAfterMs = 60_000

/** Opens the blobs of a data folder: makes the folders and removes what an earlier process had not finished. */
export async function openBlobs(layout: Layout): Promise<Blobs> {
  await rm(layout.temporary, { recursive: true, force: true })
  await makeFolder(layout.temporary)
  await makeFolder(layout.blobs)
  const folders = Array.from({ length: 256 }, (_, index) => join(layout.blobs, index.toString(16).padStart(2, '0')))
  await Promise.all(folders.map((folder) => mkdir(folder, { recursive: true, mode: 0o700 })))
  // An earlier process may have ended between giving a name and syncing its folder; so the first sync takes them all.
  const names = createNames([layout.blobs, ...folders])

  async function bytesOf(hash: BlobHash): Promise<number | undefined> {
    const file = blobFile(layout, checked(hash))
    try {
      const { size, mtimeMs } = await stat(file)
      const nowMs = Date.now()
      if (nowMs - mtimeMs > markAfterMs) await utimes(file, nowMs / 1000, nowMs / 1000)
      return size
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw toDiskError(`look for blob ${hash}`, error)
    }
  }

  async function put(hash: BlobHash, from: AsyncIterable<Uint8Array>, maxBytes: number): Promise<number> {
    const target = blobFile(layout, checked(hash))
    const source = begun(from)
    // One that is there is marked as used by the look, so no sweep takes it before its publisher commits.
    if ((await bytesOf(hash)) !== undefined) return fill(undefined, hash, source, maxBytes)
    const temporary = join(layout.temporary, `blob-${randomId()}`)
    const file = await open(temporary, 'wx', 0o600).catch((error) => {
      throw toDiskError(`write blob ${hash}`, error)
    })
    let named = false
    try {
      const bytes = await fill(file, hash, source, maxBytes)
      // Two puts of one content meet here. In one turn of the event loop the first gives the name and the second sees it.
      if (!existsSync(target)) {
        renameSync(temporary, target)
        named = true
        names.given(join(target, '..'))
      }
      return bytes
    } finally {
      await file.close()
      if (!named) await rm(temporary, { force: true })
    }
  }

  return {
    bytesOf,
    put,
    has: async (hash) => (await bytesOf(hash)) !== undefined,
    async missing(hashes) {
      const missing: BlobHash[] = []
      const distinct = [...new Set(hashes)]
      for (let at = 0; at < distinct.length; at += limits.store.blobLookups) {
        const some = distinct.slice(at, at + limits.store.blobLookups)
        const lengths = await Promise.all(some.map(bytesOf))
        missing.push(...some.filter((_, index) => lengths[index] === undefined))
      }
      return missing
    },
    async putBytes(bytes) {
      const hash = createHash('sha256').update(bytes).digest('hex')
      if ((await bytesOf(hash)) === undefined) await put(hash, once(bytes), bytes.length)
      return hash
    },
    async read(hash) {
      const bytes = await readFile(blobFile(layout, checked(hash))).catch((error) => {
        if (error.code === 'ENOENT')
          throw new GroveError('ERR_BLOB_MISSING', `no blob ${hash}`, { details: { missing: [hash] } })
        throw toDiskError(`read blob ${hash}`, error)
      })
      const found = createHash('sha256').update(bytes).digest('hex')
      if (found === hash) return bytes
      throw new GroveError('ERR_BLOB_CORRUPT', `blob ${hash} on the disk has the content of ${found}`, {
        hint: 'the disk has changed it: remove the file and publish the content again',
      })
    },
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

/** Removes a file that was last used before a moment, and answers its length. In one turn: nobody can mark it between. */
function removeUnused(file: string, beforeMs: number): number | undefined {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found || found.mtimeMs > beforeMs) return undefined
  unlinkSync(file)
  return found.size
}

/** Reads a source to its end, into a file (then fsynced) if there is one to fill, and answers its length. */
async function fill(
  file: FileHandle | undefined,
  hash: BlobHash,
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<number> {
  const sha256 = createHash('sha256')
  let bytes = 0
  for await (const chunk of source) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new GroveError('ERR_TOO_LARGE', `blob ${hash} is longer than ${maxBytes} bytes`)
    sha256.update(chunk)
    await file?.writeFile(chunk).catch((error) => {
      throw toDiskError(`write blob ${hash}`, error)
    })
  }
  const found = sha256.digest('hex')
  if (found !== hash)
    throw new GroveError('ERR_BLOB_MISMATCH', `content of ${bytes} bytes has the hash ${found}, not ${hash}`)
  await file?.sync().catch((error) => {
    throw toDiskError(`write blob ${hash}`, error)
  })
  return bytes
}

/** Keeps account of folders with names that are not durable yet. */
function createNames(folders: readonly string[]) {
  let unsynced = new Set(folders)
  let running = Promise.resolve()

  async function flush(): Promise<void> {
    const some = unsynced
    unsynced = new Set()
    await Promise.all([...some].map(syncFolder)).catch((error) => {
      throw toDiskError('make blobs durable', error)
    })
  }
  return {
    given: (folder: string): void => void unsynced.add(folder),
    /** One after the other: who finds nothing left to do still waits for the one that is doing it. */
    sync(): Promise<void> {
      running = running.then(flush)
      // The caller gets the error, and so does every later one: an fsync that failed once may lie the next time.
      running.catch(() => {})
      return running
    },
  }
}

function checked(hash: BlobHash): BlobHash {
  if (isBlobHash(hash)) return hash
  throw new GroveError('ERR_BAD_REQUEST', `${JSON.stringify(String(hash).slice(0, 80))} is not a SHA-256 in hex`)
}

/**
 * The same source with its first chunk asked for already. A stream that breaks before anybody listens to it would end
 * the process; asking is listening.
 */
function begun(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  const first = iterator.next()
  first.catch(() => {}) // Whoever reads the source gets the error.
  return {
    async *[Symbol.asyncIterator]() {
      try {
        for (let step = await first; !step.done; step = await iterator.next()) yield step.value
      } finally {
        await iterator.return?.()
      }
    },
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
