/**
 * Contents of files for a front: small ones in memory, large ones as open files.
 *
 * Contents are named by their hash, so an entry is never stale and serves every site and version that has it. A front
 * trusts its own disk as far as sizes go; hashes are checked when content is written and when copies are made from it.
 * The disk itself is a cache: what is not there, or was cut short, control puts there again. A file that is evicted
 * while it is sent stays whole for whoever has it open.
 */

import { close, fstat, open, read } from 'node:fs'
import { promisify } from 'node:util'
import type { Logger } from 'pino'
import type { Coding } from '../core/compiled.ts'
import { GroveError, isGroveError } from '../core/errors.ts'
import type { FileSlice } from '../core/exchange.ts'
import { blobFile, type Layout, variantFile } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash, SiteName } from '../core/names.ts'
import { ByteCache } from './byte-cache.ts'
import type { MissingContents } from './missing-contents.ts'

/** A content on disk: a blob, or its copy in a coding. */
export interface StoredContent {
  /** Unique per content; see {@link contentKey}. */
  readonly key: string
  /** A site that has it. */
  readonly site: SiteName
  /** Of the blob; a copy goes by its original's. */
  readonly hash: BlobHash
  readonly coding: Coding | 'identity'
  /** The size that the file on disk must have. */
  readonly bytes: number
  /** Media type of the blob. */
  readonly type: string
}

/** Where a front gets contents from. */
export interface BlobCache {
  /** Bytes held in memory. */
  readonly bytes: number
  /** The content if it is in memory. Shared: must not be written to. */
  peek(content: StoredContent): Buffer | undefined
  /**
   * The content from disk: as bytes, which are kept then, or as an open file when it is larger than
   * `limits.front.bodyBytes` or many are being read already. The file is the caller's to close.
   *
   * A blob that is missing or has another size is asked for and waited for. A copy is reported and not waited for: this
   * rejects with `ERR_BLOB_MISSING` or `ERR_BLOB_CORRUPT` then. It also rejects with what asking failed with, or the
   * system's error, such as `EMFILE`. Each failure is logged here.
   */
  load(content: StoredContent): Promise<Buffer | FileSlice>
}

/** The key of a content. */
export function contentKey(hash: BlobHash, coding: Coding | 'identity'): string {
  return coding === 'identity' ? hash : `${hash}.${coding}`
}

/** What a cache is made with. */
export interface BlobCacheOptions {
  readonly layout: Layout
  readonly missing: MissingContents
  /** Bound of what is kept in memory. @default limits.front.bodyCacheBytes */
  readonly maxBytes?: number
  readonly log: Logger
}

/** A cache over the blobs and copies of a data folder. */
export function createBlobCache(options: BlobCacheOptions): BlobCache {
  const { layout, missing, maxBytes = limits.front.bodyCacheBytes, log } = options
  const cache = new ByteCache(maxBytes)
  /** Contents being read, keyed like the cache: many requests for one file read it once. */
  const loading = new Map<string, Promise<Buffer>>()

  async function readAll(content: StoredContent): Promise<Buffer> {
    try {
      const buffer = await readContent(layout, content)
      cache.set(content.key, buffer)
      return buffer
    } finally {
      loading.delete(content.key)
    }
  }

  async function get(content: StoredContent): Promise<Buffer | FileSlice> {
    const underWay = loading.get(content.key)
    if (underWay) return underWay
    // What is being read is not counted as kept yet; its number is bounded instead.
    if (content.bytes > limits.front.bodyBytes || loading.size >= limits.front.loads)
      return { fd: await openContent(layout, content), offset: 0, length: content.bytes }
    const reading = readAll(content)
    loading.set(content.key, reading)
    return reading
  }

  async function getOrAsk(content: StoredContent): Promise<Buffer | FileSlice> {
    try {
      return await get(content)
    } catch (error) {
      if (!isNotWhole(error) || content.coding !== 'identity') throw error
      const { site, hash, bytes } = content
      await missing.get({ site, hash, bytes })
      return await get(content)
    }
  }

  return {
    get bytes() {
      return cache.bytes
    },
    peek: (content) => cache.get(content.key),
    async load(content) {
      try {
        return await getOrAsk(content)
      } catch (error) {
        const { site, hash, coding, bytes, type } = content
        if (coding !== 'identity' && isNotWhole(error)) {
          log.info({ hash, coding, reason: (error as Error).message }, 'copy is not there, sent as it is')
          missing.report({ site, hash, coding, bytes, type })
        } else log.error({ err: error, hash, coding }, 'content cannot be read')
        throw error
      }
    },
  }
}

/** Whether a content could not be read because it is not on the disk, or not all of it: then it can be had again. */
export function isNotWhole(thrown: unknown): boolean {
  return isGroveError(thrown, 'ERR_BLOB_MISSING') || isGroveError(thrown, 'ERR_BLOB_CORRUPT')
}

const openFile = promisify(open)
const statFile = promisify(fstat)
const readFile = promisify(read)
const closeFile = promisify(close)

/** Opens a content's file and checks its size, before any header of an answer is sent. */
async function openContent(layout: Layout, content: StoredContent): Promise<number> {
  const { hash, coding, bytes } = content
  const file = coding === 'identity' ? blobFile(layout, hash) : variantFile(layout, hash, coding)
  const fd = await openFile(file, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    throw new GroveError('ERR_BLOB_MISSING', `content ${content.key} is missing`, { cause: error })
  })
  try {
    const { size } = await statFile(fd)
    if (size === bytes) return fd
    throw new GroveError('ERR_BLOB_CORRUPT', `content ${content.key} has ${size} bytes, expected ${bytes}`)
  } catch (error) {
    await closeFile(fd)
    throw error
  }
}

async function readContent(layout: Layout, content: StoredContent): Promise<Buffer> {
  const fd = await openContent(layout, content)
  try {
    // Not from Node's shared pool: a small content would keep a whole slab of it in memory.
    const buffer = Buffer.allocUnsafeSlow(content.bytes)
    for (let at = 0; at < buffer.length; ) {
      const { bytesRead } = await readFile(fd, buffer, at, buffer.length - at, at)
      if (bytesRead === 0) throw new GroveError('ERR_BLOB_CORRUPT', `content ${content.key} became shorter`)
      at += bytesRead
    }
    return buffer
  } finally {
    await closeFile(fd)
  }
}
