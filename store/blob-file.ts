/** The file of one blob: found, written whole or not at all, read with its hash checked, removed when it is not used. */

import { createHash } from 'node:crypto'
import { existsSync, renameSync, statSync, unlinkSync } from 'node:fs'
import { type FileHandle, open, readFile, rm, stat, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { GroveError } from '../core/errors.ts'
import { randomId } from '../core/ids.ts'
import type { Layout } from '../core/layout.ts'
import type { BlobHash } from '../core/names.ts'
import { type FolderNames, toDiskError } from './durable.ts'

/** A blob that is found is marked as used when its last mark is older than this. Small beside any time of a sweep. */
const markAfterMs = 60_000

/** The length of a blob, or undefined when it is not there. It counts as used now. */
export async function findBlob(file: string): Promise<number | undefined> {
  try {
    const { size, mtimeMs } = await stat(file)
    const nowMs = Date.now()
    if (nowMs - mtimeMs > markAfterMs) await utimes(file, nowMs / 1000, nowMs / 1000)
    return size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw toDiskError(`look for blob ${basename(file)}`, error)
  }
}

/** Where a blob goes. */
export interface BlobTarget {
  readonly hash: BlobHash
  readonly file: string
  readonly layout: Layout
  /** Is told of the new name. */
  readonly names: FolderNames
}

/** Keeps a content, as {@link Blobs.put} says. */
export async function writeBlob(
  { hash, file: target, layout, names }: BlobTarget,
  from: AsyncIterable<Uint8Array>,
  maxBytes: number,
): Promise<number> {
  const source = begun(from)
  // One that is there is marked as used by the look, so no sweep takes it before its publisher commits.
  if ((await findBlob(target)) !== undefined) return fill(undefined, hash, source, maxBytes)
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
      names.given(dirname(target))
    }
    return bytes
  } finally {
    await file.close()
    if (!named) await rm(temporary, { force: true })
  }
}

/** A whole content. Throws `ERR_BLOB_MISSING`, `ERR_BLOB_CORRUPT`, `ERR_DATA_IO`. */
export async function readBlob(file: string, hash: BlobHash): Promise<Buffer> {
  const bytes = await readFile(file).catch((error) => {
    if (error.code === 'ENOENT')
      throw new GroveError('ERR_BLOB_MISSING', `no blob ${hash}`, { details: { missing: [hash] } })
    throw toDiskError(`read blob ${hash}`, error)
  })
  const found = createHash('sha256').update(bytes).digest('hex')
  if (found === hash) return bytes
  throw new GroveError('ERR_BLOB_CORRUPT', `blob ${hash} on the disk has the content of ${found}`, {
    hint: 'the disk has changed it: remove the file and publish the content again',
  })
}

/**
 * Removes a file whose content has another hash than its name says, and answers whether it did. A whole one that was put
 * in its place meanwhile stays.
 */
export async function removeDamaged(file: string, hash: BlobHash): Promise<boolean> {
  try {
    await using handle = await open(file, 'r')
    const { ino } = await handle.stat()
    const sha256 = createHash('sha256')
    for await (const chunk of handle.createReadStream({ autoClose: false })) sha256.update(chunk as Buffer)
    if (sha256.digest('hex') === hash || statSync(file).ino !== ino) return false
    unlinkSync(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw toDiskError(`check blob ${hash}`, error)
  }
}

/** Removes a file that was last used before a moment, and answers its length. In one turn: nobody can mark it between. */
export function removeUnused(file: string, beforeMs: number): number | undefined {
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
