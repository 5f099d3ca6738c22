/**
 * Contents of files for a front: small ones in memory, large ones as open files.
 *
 * Contents are named by their hash, so an entry is never stale and serves every site and version that has it. A front
 * trusts its own disk as far as sizes go; hashes are checked when content is written and when copies are made from it.
 */

import { close, fstat, open, read } from 'node:fs'
import { promisify } from 'node:util'
import type { Logger } from 'pino'
import type { Coding } from '../core/compiled.ts'
import { GroveError } from '../core/errors.ts'
import type { FileSlice } from '../core/exchange.ts'
import { blobFile, type Layout, variantFile } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash } from '../core/names.ts'
import { ByteCache } from './byte-cache.ts'

/** A content on disk: a blob, or its copy in a coding. */
export interface StoredContent {
  /** Unique per content; see {@link contentKey}. */
  readonly key: string
  /** Of the blob; a copy goes by its original's. */
  readonly hash: BlobHash
  readonly coding: Coding | 'identity'
  /** The size that the file on disk must have. */
  readonly bytes: number
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
   * Rejects with `ERR_BLOB_MISSING`, `ERR_BLOB_CORRUPT` when the size differs, or the system's error, such as `EMFILE`;
   * each is logged here.
   */
  load(content: StoredContent): Promise<Buffer | FileSlice>
}

/** The key of a content. */
export function contentKey(hash: BlobHash, coding: Coding | 'identity'): string {
  return coding === 'identity' ? hash : `${hash}.${coding}`
}

/** A cache over the blobs and copies of a data folder. `maxBytes` bounds what it keeps in memory. */
export function createBlobCache(
  layout: Layout,
  maxBytes: number = limits.front.bodyCacheBytes,
  log?: Logger,
): BlobCache {
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

  return {
    get bytes() {
      return cache.bytes
    },
    peek: (content) => cache.get(content.key),
    async load(content) {
      try {
        return await get(content)
      } catch (error) {
        log?.error({ err: error, hash: content.hash, coding: content.coding }, 'content cannot be read')
        throw error
      }
    },
  }
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
