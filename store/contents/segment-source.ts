/**
 * Reading the segments of one site, wherever they lie: a folder is read in place; of a segment in a bucket the tail
 * (nodes and index) is kept on the local disk once it was read, and contents are had with ranged requests.
 *
 * Nothing that is read is believed: segments and indexes have sums, frames have hashes. What is wrong is read once more,
 * from the bucket, and is then `ERR_BLOB_CORRUPT`.
 */

import { hash as digest } from 'node:crypto'
import { GroveError, isGroveError, toGroveError } from '../../core/errors.ts'
import { tailFile } from '../../core/layout.ts'
import type { SiteName } from '../../core/names.ts'
import { isMissingFile, toDiskError } from '../disk-error.ts'
import type { Environment } from '../environment.ts'
import { objectKeys } from '../objects/keys.ts'
import { isObjectsError } from '../objects/object-errors.ts'
import type { ByteRange, Objects } from '../objects/objects.ts'
import type { Keyring } from '../segments/keyring.ts'
import { openFrame, readIndex } from '../segments/read-segment.ts'
import type { Frame, SegmentHead, SegmentIndex, SegmentRef, SiteContext } from '../segments/segment.ts'
import type { Blobs } from './blobs.ts'
import { moveIntoCache, temporaryFile } from './content-file.ts'

/** What the contents of a site are read and written with. */
export interface SourceOptions {
  readonly env: Environment
  readonly objects: Objects
  readonly blobs: Blobs
  readonly keyring: Keyring | undefined
  readonly owner: string
  readonly site: SiteName
  /** What segments are bound to. */
  readonly context: SiteContext
}

/** Reads segments of one site. All calls but `forget` throw `ERR_BLOB_CORRUPT`, `ERR_BLOB_MISSING`, `ERR_OBJECTS`. */
export interface SegmentSource {
  /** Its index, kept in memory for a while. */
  index(ref: SegmentRef): Promise<SegmentIndex>
  /** What a frame holds. */
  frame(head: SegmentHead, frame: Frame): Promise<Buffer>
  /** All of a segment, with its index; its tail is kept. */
  whole(ref: SegmentRef): Promise<{ readonly index: SegmentIndex; readonly bytes: Buffer }>
  /** Keeps the tail of a segment that was written just now into a file. */
  keepTail(ref: SegmentRef, file: string): Promise<void>
  /** Removes the tail of a segment that is not needed any more. */
  forget(id: string): Promise<void>
}

/** A source of one site's segments. */
export function createSegmentSource(options: SourceOptions): SegmentSource {
  const { env, objects, blobs, keyring, context } = options
  const tailOf = (id: string) => tailFile(blobs.layout, id)
  /** Keyed by segment: indexes that are being read, for all who want the same at one time. */
  const loading = new Map<string, Promise<SegmentIndex>>()

  async function readObject(ref: SegmentRef, range?: ByteRange): Promise<Buffer> {
    try {
      return await objects.read(objectKeys.segment(options.owner, options.site, ref.id), range)
    } catch (error) {
      if (isGroveError(error, 'ERR_NOT_FOUND'))
        throw new GroveError('ERR_BLOB_MISSING', `segment ${ref.id} of ${context.log} is gone: ${error.message}`, {
          cause: error,
          details: { segment: ref.id },
        })
      if (isObjectsError(error, 'short')) throw corrupt(ref, error)
      throw error
    }
  }

  /** Reads and checks; what turns out wrong is read once more, and not from a local copy. */
  async function checkedTwice<T>(ref: SegmentRef, read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      if (!isWrong(error)) throw error
    }
    await forget(ref.id)
    try {
      return await read()
    } catch (error) {
      throw isWrong(error) ? corrupt(ref, error) : error
    }
  }

  /** A part of the local copy of a tail, if that is there and long enough. */
  async function readTail(ref: SegmentRef, range: ByteRange): Promise<Buffer | undefined> {
    if (!objects.isRemote || range.offset < ref.tailOffset) return undefined
    try {
      const bytes = await env.files.readRange(tailOf(ref.id), range.offset - ref.tailOffset, range.length)
      return bytes.length === range.length ? bytes : undefined
    } catch (error) {
      if (isMissingFile(error)) return undefined
      throw toDiskError(`read the tail of segment ${ref.id}`, error)
    }
  }

  /** Keeps a copy of a tail. One that a power failure tears is found out by its sums. */
  async function writeTail(ref: SegmentRef, tail: Uint8Array): Promise<void> {
    const temporary = temporaryFile(env, blobs.layout)
    try {
      const writer = await env.files.create(temporary)
      try {
        await writer.write(tail)
      } finally {
        await writer.close()
      }
      await moveIntoCache(env, temporary, tailOf(ref.id))
    } catch (error) {
      await env.files.remove(temporary).catch(() => {}) // The folder is emptied at the next start.
      throw toDiskError(`keep the tail of segment ${ref.id}`, error)
    }
  }

  async function forget(id: string): Promise<void> {
    if (objects.isRemote) await env.files.remove(tailOf(id))
  }

  /** Reads an index; of a segment in a bucket the whole tail, as the nodes will be wanted, too. */
  function loadIndex(ref: SegmentRef): Promise<SegmentIndex> {
    const begun = loading.get(ref.id) ?? readIndexOf(ref).finally(() => loading.delete(ref.id))
    loading.set(ref.id, begun)
    return begun
  }

  async function readIndexOf(ref: SegmentRef): Promise<SegmentIndex> {
    const range = { offset: ref.indexOffset, length: ref.bytes - ref.indexOffset }
    const known = objects.isRemote ? await readTail(ref, range) : await readObject(ref, range)
    if (known) return readIndex(ref, known, context, keyring)
    const tail = await readObject(ref, { offset: ref.tailOffset, length: ref.bytes - ref.tailOffset })
    const index = readIndex(ref, tail.subarray(ref.indexOffset - ref.tailOffset), context, keyring)
    await writeTail(ref, tail)
    return index
  }

  async function readFrame(ref: SegmentRef, { offset, length }: Frame): Promise<Buffer> {
    const range = { offset, length }
    if (!objects.isRemote || offset < ref.tailOffset) return readObject(ref, range)
    const known = await readTail(ref, range)
    if (known) return known
    await loadIndex(ref)
    return (await readTail(ref, range)) ?? (await readObject(ref, range))
  }

  return {
    async index(ref) {
      const known = blobs.memory.indexes.get(ref.id)
      if (known?.isWhole) return known.index
      const index = await checkedTwice(ref, () => loadIndex(ref))
      blobs.memory.indexes.set(ref.id, { index, isWhole: true })
      return index
    },
    frame: (head, frame) =>
      checkedTwice(head.ref, async () => openFrame(head, frame, await readFrame(head.ref, frame), context, keyring)),
    whole: (ref) =>
      checkedTwice(ref, async () => {
        const bytes = await readObject(ref)
        if (digest('sha256', bytes) !== ref.id) throw corrupt(ref, undefined)
        const index = readIndex(ref, bytes.subarray(ref.indexOffset), context, keyring)
        blobs.memory.indexes.set(ref.id, { index, isWhole: true })
        if (objects.isRemote) await writeTail(ref, bytes.subarray(ref.tailOffset))
        return { index, bytes }
      }),
    async keepTail(ref, file) {
      if (!objects.isRemote) return
      await writeTail(ref, await env.files.readRange(file, ref.tailOffset, ref.bytes - ref.tailOffset))
    },
    forget,
  }
}

/** Whether something that was read is not what was written. */
function isWrong(error: unknown): boolean {
  return isGroveError(error, 'ERR_BLOB_CORRUPT') || isGroveError(error, 'ERR_DATA_FORMAT')
}

function corrupt(ref: SegmentRef, cause: unknown): GroveError {
  if (isGroveError(cause, 'ERR_BLOB_CORRUPT') && cause.details?.['segment'] === ref.id) return cause
  const why = cause === undefined ? 'another content than its name says' : toGroveError(cause).message
  return new GroveError('ERR_BLOB_CORRUPT', `segment ${ref.id} is damaged: ${why}`, {
    ...(cause !== undefined && { cause }),
    details: { segment: ref.id },
  })
}
