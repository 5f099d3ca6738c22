/**
 * Contents on the local disk, named by their SHA-256.
 *
 * The truth lies in segments; here is a cache of it, decoded, which fronts read (`blobs/`), and beside it what was sent
 * and is not published yet (`uploads/`). A file is written elsewhere, checked and renamed, so under its name it is whole
 * or not there. One process writes; others may read.
 */

import { createHash } from 'node:crypto'
import { GroveError } from '../../core/errors.ts'
import { blobFile, type Layout, uploadFile } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import { type BlobHash, isBlobHash } from '../../core/names.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { toDiskError } from '../disk-error.ts'
import type { Environment } from '../environment.ts'
import { begun, drain, isContent, moveIntoCache, once, temporaryFile, writeContent } from './content-file.ts'
import { markUsed, prepareFolders, readFirst, streamFirst } from './content-places.ts'
import { type Evicted, evict } from './eviction.ts'
import { openFreshNames } from './fresh-names.ts'
import { createHashLocks, type HashLocks } from './hash-locks.ts'
import { createReservations, type Reservations } from './reservations.ts'
import { createSegmentMemory, type SegmentMemory } from './segment-memory.ts'
import { type KnownUploads, moveUpload, rememberUpload, removeUploads } from './uploads.ts'

/** The contents of one data folder. */
export interface Blobs extends AsyncDisposable {
  readonly layout: Layout
  /** What is kept in memory of segments, for all sites. */
  readonly memory: SegmentMemory
  /** Objects that running publishes rely on. */
  readonly reservations: Reservations
  /** One piece of work at a time on each object that is replaced, for all openings of a site in this process. */
  readonly turns: HashLocks
  /** The length of a content that is here, sent or cached; or undefined. It counts as used now. */
  bytesOf(hash: BlobHash): Promise<number | undefined>
  /** The file of a content that is here. It may be moved into the cache at any time. */
  fileOf(hash: BlobHash): Promise<string | undefined>
  /** Whether fronts can read it. */
  isCached(hash: BlobHash): Promise<boolean>
  /**
   * Takes a content that is sent, and answers its length. The source is read to its end, also when the content is here
   * already. It is not on the disk for good before it is published. Throws `ERR_BLOB_MISMATCH` when the content has
   * another hash, `ERR_TOO_LARGE` when it is longer than `maxBytes`, `ERR_DATA_IO`; then nothing stays behind.
   */
  put(hash: BlobHash, source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<number>
  /** Takes a content that is in memory, as {@link Blobs.put} does, and answers its name. */
  putBytes(bytes: Uint8Array): Promise<BlobHash>
  /** Takes a content of a segment into the cache. Throws like {@link Blobs.put}. */
  accept(hash: BlobHash, source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<void>
  /** Moves contents that were sent and are published into the cache, where fronts find them. */
  settle(hashes: Iterable<BlobHash>): Promise<void>
  /** A whole content, checked against its name. Throws `ERR_BLOB_MISSING`, `ERR_BLOB_CORRUPT`, `ERR_DATA_IO`. */
  read(hash: BlobHash): Promise<Buffer>
  /** A content piece by piece, not checked. Throws `ERR_BLOB_MISSING`, `ERR_DATA_IO`. */
  stream(hash: BlobHash): AsyncIterable<Buffer>
  /**
   * Reads a content and removes it when it is not that of its name, so that it can come again. Answers whether it was
   * removed. Throws `ERR_DATA_IO`.
   */
  discardDamaged(hash: BlobHash): Promise<boolean>
  /** Keeps contents from being evicted and removed, here or not, until the answer is called. */
  hold(hashes: Iterable<BlobHash>): () => void
  /** Brings the cache below its size now. It does so by itself when it grows. */
  evict(): Promise<Evicted>
  /** Removes what was sent and that nobody asked for in the last `olderThanMs`. */
  removeUploads(olderThanMs: number, signal?: AbortSignal): Promise<{ readonly files: number; readonly bytes: number }>
}

/** How the contents of a data folder are kept. */
export interface BlobsOptions {
  /** Size of the cache in bytes; what was sent and not published is not counted. */
  readonly maxBytes: number
  /** Told when the cache cannot be brought down to its size in the background. */
  readonly onFailure?: (error: unknown) => void
}

/**
 * Opens the contents of a data folder: makes the folders, removes what an earlier process had not finished, and checks
 * what it may not have got to the disk. Throws `ERR_DATA_IO`.
 */
export async function openBlobs(env: Environment, layout: Layout, options: BlobsOptions): Promise<Blobs> {
  await prepareFolders(env, layout)
  const fresh = await openFreshNames(env, layout)
  const locks = createHashLocks()
  const places = (hash: BlobHash) => [blobFile(layout, checked(hash)), uploadFile(layout, hash)] as const
  /** Keyed by hash: how many hold it. */
  const held = new Map<BlobHash, number>()
  const isHeld = (hash: BlobHash) => held.has(hash)
  const written: KnownUploads = new Map()
  const ended = new AbortController()
  /** Bytes of the cache, since somebody counted. */
  let cachedBytes: number | undefined
  let evicting: Promise<Evicted> | undefined

  const bytesOf = async (hash: BlobHash) => {
    const [cached, upload] = places(hash)
    return locks.run(hash, async () => (await markUsed(env, cached, hash)) ?? (await markUsed(env, upload, hash)))
  }

  /** Writes a content under its name, unless it is there; `place` says where. */
  async function keep(hash: BlobHash, place: 'cache' | 'uploads', chunks: AsyncIterable<Uint8Array>, maxBytes: number) {
    const temporary = temporaryFile(env, layout)
    const bytes = await writeContent(env, temporary, { hash, chunks, maxBytes })
    const [cached, upload] = places(hash)
    try {
      const name = (file: string) => locks.run(hash, () => moveIntoCache(env, temporary, file))
      if (place === 'cache') await fresh.note([hash], () => name(cached))
      else {
        rememberUpload(written, hash, bytes)
        await name(upload)
      }
    } catch (error) {
      await env.files.remove(temporary).catch(() => {}) // The folder is emptied at the next start.
      throw toDiskError(`keep content ${hash}`, error)
    }
    if (place === 'cache') grown(bytes)
    return bytes
  }

  /** Notes that the cache has grown, and has it cut when that is too much. */
  function grown(bytes: number): void {
    if (cachedBytes !== undefined) cachedBytes += bytes
    if (evicting || ended.signal.aborted || (cachedBytes !== undefined && cachedBytes <= options.maxBytes)) return
    evictNow().catch((error: unknown) => options.onFailure?.(error))
  }

  function evictNow(): Promise<Evicted> {
    evicting ??= evict({ env, layout, maxBytes: options.maxBytes, isHeld, remove: removeCached }, ended.signal)
      .then((done) => {
        cachedBytes = done.keptBytes
        return done
      })
      .finally(() => {
        evicting = undefined
      })
    return evicting
  }

  const removeCached = (hash: BlobHash, file: string) =>
    locks.run(hash, async () => !isHeld(hash) && (await env.files.remove(file)))

  return {
    layout,
    memory: createSegmentMemory(),
    reservations: createReservations(),
    turns: createHashLocks(),
    bytesOf,
    async fileOf(hash) {
      for (const file of places(hash)) if ((await env.files.stat(file)) !== undefined) return file
      return undefined
    },
    isCached: async (hash) => (await env.files.stat(places(hash)[0])) !== undefined,
    async put(hash, source, maxBytes) {
      const chunks = begun(source)
      if ((await bytesOf(hash)) !== undefined) return drain({ hash, chunks, maxBytes })
      return keep(hash, 'uploads', chunks, maxBytes)
    },
    async putBytes(bytes) {
      const hash = createHash('sha256').update(bytes).digest('hex')
      if ((await bytesOf(hash)) === undefined) await keep(hash, 'uploads', once(bytes), bytes.length)
      return hash
    },
    async accept(hash, source, maxBytes) {
      await keep(checked(hash), 'cache', begun(source), maxBytes)
    },
    async settle(hashes) {
      const sent: BlobHash[] = []
      await forEachParallel(hashes, limits.store.blobLookups, async (hash) => {
        if (written.has(hash) || (await env.files.stat(places(hash)[1])) !== undefined) sent.push(hash)
      })
      let bytes = 0
      const move = async (hash: BlobHash) => {
        const [cached, upload] = places(hash)
        const knownBytes = written.get(hash)
        written.delete(hash)
        bytes += await locks.run(hash, () => moveUpload(env, { hash, upload, cached, knownBytes }))
      }
      await fresh.note(sent, () => forEachParallel(sent, limits.store.blobLookups, move))
      grown(bytes)
    },
    async read(hash) {
      const bytes = await readFirst(env, hash, places(hash))
      const found = createHash('sha256').update(bytes).digest('hex')
      if (found === hash) return bytes
      throw new GroveError('ERR_BLOB_CORRUPT', `content ${hash} on the disk is that of ${found}`, {
        hint: 'the disk has changed it: it comes again from its segment, or when it is published again',
      })
    },
    stream: (hash) => streamFirst(env, hash, places(hash)),
    discardDamaged: (hash) =>
      locks.run(hash, async () => {
        let removed = false
        for (const file of places(hash))
          if ((await isContent(env, file, hash)) === false) removed = (await env.files.remove(file)) || removed
        return removed
      }),
    hold(hashes) {
      const those = [...hashes]
      for (const hash of those) held.set(hash, (held.get(hash) ?? 0) + 1)
      return () => {
        for (const hash of those.splice(0)) {
          const left = (held.get(hash) ?? 1) - 1
          if (left > 0) held.set(hash, left)
          else held.delete(hash)
        }
      }
    },
    evict: evictNow,
    removeUploads: (olderThanMs, signal) => removeUploads({ env, layout, locks, isHeld, olderThanMs }, signal),
    async [Symbol.asyncDispose]() {
      ended.abort()
      await evicting?.catch(() => {}) // Told to `onFailure`, or to who asked.
    },
  }
}

function checked(hash: BlobHash): BlobHash {
  if (isBlobHash(hash)) return hash
  throw new GroveError('ERR_BAD_REQUEST', `${JSON.stringify(String(hash).slice(0, 80))} is not a SHA-256 in hex`)
}
