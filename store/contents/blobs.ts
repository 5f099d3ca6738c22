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
import { type CacheSize, createCacheSize } from './cache-size.ts'
import {
  begun,
  type ContentSource,
  drain,
  isContent,
  moveIntoCache,
  once,
  temporaryFile,
  writeContent,
} from './content-file.ts'
import { markUsed, prepareFolders, readFirst, streamFirst } from './content-places.ts'
import type { Evicted } from './eviction.ts'
import { type FreshNames, openFreshNames } from './fresh-names.ts'
import { createHashLocks, type HashLocks } from './hash-locks.ts'
import { createHolds } from './holds.ts'
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
  return new LocalBlobs(env, layout, await openFreshNames(env, layout), options)
}

class LocalBlobs implements Blobs {
  readonly layout: Layout
  readonly memory: SegmentMemory = createSegmentMemory()
  readonly reservations: Reservations = createReservations()
  readonly turns: HashLocks = createHashLocks()
  readonly #env: Environment
  readonly #fresh: FreshNames
  readonly #size: CacheSize
  readonly #locks = createHashLocks()
  readonly #holds = createHolds()
  readonly #written: KnownUploads = new Map()

  constructor(env: Environment, layout: Layout, fresh: FreshNames, { maxBytes, onFailure }: BlobsOptions) {
    this.layout = layout
    this.#env = env
    this.#fresh = fresh
    const remove = (hash: BlobHash, file: string) =>
      this.#locks.run(hash, async () => !this.#holds.has(hash) && (await env.files.remove(file)))
    this.#size = createCacheSize({ env, layout, maxBytes, isHeld: this.#holds.has, remove }, (error) =>
      onFailure?.(error),
    )
  }

  async bytesOf(hash: BlobHash): Promise<number | undefined> {
    const [cached, upload] = this.#filesOf(hash)
    return this.#locks.run(
      hash,
      async () => (await markUsed(this.#env, cached, hash)) ?? (await markUsed(this.#env, upload, hash)),
    )
  }

  async fileOf(hash: BlobHash): Promise<string | undefined> {
    for (const file of this.#placesOf(hash)) if ((await this.#env.files.stat(file)) !== undefined) return file
    return undefined
  }

  async isCached(hash: BlobHash): Promise<boolean> {
    return (await this.#env.files.stat(this.#filesOf(hash)[0])) !== undefined
  }

  async put(hash: BlobHash, source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<number> {
    const chunks = begun(source)
    if ((await this.bytesOf(hash)) !== undefined) return drain({ hash, chunks, maxBytes })
    return this.#keepUpload({ hash, chunks, maxBytes })
  }

  async putBytes(bytes: Uint8Array): Promise<BlobHash> {
    const hash = createHash('sha256').update(bytes).digest('hex')
    if ((await this.bytesOf(hash)) === undefined)
      await this.#keepUpload({ hash, chunks: once(bytes), maxBytes: bytes.length })
    return hash
  }

  async accept(hash: BlobHash, source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<void> {
    const [cached] = this.#filesOf(hash)
    const bytes = await this.#keep({ hash, chunks: begun(source), maxBytes }, (name) =>
      this.#fresh.note([hash], () => name(cached)),
    )
    this.#size.grown(bytes)
  }

  async settle(hashes: Iterable<BlobHash>): Promise<void> {
    const sent: BlobHash[] = []
    await forEachParallel(hashes, limits.store.blobLookups, async (hash) => {
      const [, upload] = this.#filesOf(hash)
      if (this.#written.has(hash) || (await this.#env.files.stat(upload)) !== undefined) sent.push(hash)
    })
    let bytes = 0
    const move = async (hash: BlobHash) => {
      const [cached, upload] = this.#filesOf(hash)
      const knownBytes = this.#written.get(hash)
      this.#written.delete(hash)
      bytes += await this.#locks.run(hash, () => moveUpload(this.#env, { hash, upload, cached, knownBytes }))
    }
    try {
      await this.#fresh.note(sent, () => forEachParallel(sent, limits.store.blobLookups, move))
    } finally {
      this.#size.grown(bytes)
    }
  }

  async read(hash: BlobHash): Promise<Buffer> {
    const bytes = await readFirst(this.#env, hash, this.#placesOf(hash))
    const found = createHash('sha256').update(bytes).digest('hex')
    if (found === hash) return bytes
    throw new GroveError('ERR_BLOB_CORRUPT', `content ${hash} on the disk is that of ${found}`, {
      hint: 'the disk has changed it: it comes again from its segment, or when it is published again',
    })
  }

  stream(hash: BlobHash): AsyncIterable<Buffer> {
    return streamFirst(this.#env, hash, this.#placesOf(hash))
  }

  discardDamaged(hash: BlobHash): Promise<boolean> {
    return this.#locks.run(hash, async () => {
      let removed = false
      for (const file of this.#filesOf(hash))
        if ((await isContent(this.#env, file, hash)) === false)
          removed = (await this.#env.files.remove(file)) || removed
      return removed
    })
  }

  hold(hashes: Iterable<BlobHash>): () => void {
    const release = this.#holds.hold(hashes)
    return () => {
      release()
      this.#size.released()
    }
  }

  evict(): Promise<Evicted> {
    return this.#size.evict()
  }

  removeUploads(olderThanMs: number, signal?: AbortSignal): Promise<{ files: number; bytes: number }> {
    const { layout } = this
    return removeUploads({ env: this.#env, layout, locks: this.#locks, isHeld: this.#holds.has, olderThanMs }, signal)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#size.close()
  }

  /** Where a content may lie: in the cache, and as an upload. */
  #filesOf(hash: BlobHash): readonly [cached: string, upload: string] {
    return [blobFile(this.layout, checked(hash)), uploadFile(this.layout, hash)]
  }

  /** Where to look for a content, in turn: what was sent may be moved into the cache between the first look and the next. */
  #placesOf(hash: BlobHash): readonly string[] {
    const [cached, upload] = this.#filesOf(hash)
    return [cached, upload, cached]
  }

  #keepUpload(source: ContentSource): Promise<number> {
    const [, upload] = this.#filesOf(source.hash)
    return this.#keep(source, async (name, bytes) => {
      rememberUpload(this.#written, source.hash, bytes)
      await name(upload)
    })
  }

  /** Writes a content; `give` has it named when it was checked. Answers its length. */
  async #keep(
    source: ContentSource,
    give: (name: (file: string) => Promise<void>, bytes: number) => Promise<void>,
  ): Promise<number> {
    const temporary = temporaryFile(this.#env, this.layout)
    const bytes = await writeContent(this.#env, temporary, source)
    try {
      await give((file) => this.#locks.run(source.hash, () => moveIntoCache(this.#env, temporary, file)), bytes)
      return bytes
    } catch (error) {
      await this.#env.files.remove(temporary).catch(() => {}) // The folder is emptied at the next start.
      throw toDiskError(`keep content ${source.hash}`, error)
    }
  }
}

function checked(hash: BlobHash): BlobHash {
  if (isBlobHash(hash)) return hash
  throw new GroveError('ERR_BAD_REQUEST', `${JSON.stringify(String(hash).slice(0, 80))} is not a SHA-256 in hex`)
}
