/**
 * Reading the segments of one site, wherever they lie: a folder is read in place; of a segment in a bucket the tail
 * (nodes and index) is kept on the local disk once it was read, and contents are had with ranged requests.
 *
 * Nothing that is read is believed: segments and indexes have sums, frames have hashes. What is wrong is read once more,
 * from the bucket, and is then `ERR_BLOB_CORRUPT`.
 */

import { hash as digest } from 'node:crypto'
import { GroveError, isGroveError, toGroveError } from '../../core/errors.ts'
import type { BlobHash, SiteName } from '../../core/names.ts'
import type { Environment } from '../environment.ts'
import { objectKeys } from '../objects/keys.ts'
import { isObjectsError } from '../objects/object-errors.ts'
import type { ByteRange, Objects } from '../objects/objects.ts'
import type { Keyring } from '../segments/keyring.ts'
import { openFrame, readIndex } from '../segments/read-segment.ts'
import type { Frame, SegmentHead, SegmentIndex, SegmentRef, SiteContext } from '../segments/segment.ts'
import type { Blobs } from './blobs.ts'
import { createTails, type Tails } from './tails.ts'

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
export class SegmentSource {
  readonly #options: SourceOptions
  /** Undefined for a folder, which is read in place. */
  readonly #tails: Tails | undefined
  /** Keyed by segment: indexes that are being read, for all who want the same at one time. */
  readonly #loading = new Map<BlobHash, Promise<SegmentIndex>>()

  constructor(options: SourceOptions) {
    this.#options = options
    this.#tails = options.objects.isRemote ? createTails(options.env, options.blobs.layout) : undefined
  }

  /** The index of a segment, kept in memory for a while. */
  async index(ref: SegmentRef): Promise<SegmentIndex> {
    const { indexes } = this.#options.blobs.memory
    const known = indexes.get(ref.id)
    if (known?.isWhole) return known.index
    const index = await this.#checkedTwice(ref, () => this.#loadIndex(ref))
    indexes.set(ref.id, { index, isWhole: true })
    return index
  }

  /** What a frame holds. */
  frame(head: SegmentHead, frame: Frame): Promise<Buffer> {
    const { context, keyring } = this.#options
    return this.#checkedTwice(head.ref, async () => {
      return openFrame(head, frame, await this.#readFrame(head.ref, frame), context, keyring)
    })
  }

  /** All of a segment, with its index; its tail is kept. */
  whole(ref: SegmentRef): Promise<{ readonly index: SegmentIndex; readonly bytes: Buffer }> {
    const { context, keyring, blobs } = this.#options
    return this.#checkedTwice(ref, async () => {
      const bytes = await this.#read(ref)
      if (digest('sha256', bytes) !== ref.id) throw corrupt(ref, undefined)
      const index = readIndex(ref, bytes.subarray(ref.indexOffset), context, keyring)
      blobs.memory.indexes.set(ref.id, { index, isWhole: true })
      await this.#tails?.write(ref, bytes.subarray(ref.tailOffset))
      return { index, bytes }
    })
  }

  /** Keeps the tail of a segment that was written just now into a file. */
  async keepTail(ref: SegmentRef, file: string): Promise<void> {
    if (!this.#tails) return
    const { files } = this.#options.env
    await this.#tails.write(ref, await files.readRange(file, ref.tailOffset, ref.bytes - ref.tailOffset))
  }

  /** Whether nothing of a segment in a bucket is known here. */
  async isUnknown(ref: SegmentRef): Promise<boolean> {
    if (!this.#tails || this.#options.blobs.memory.indexes.peek(ref.id)) return false
    return !(await this.#tails.has(ref))
  }

  /** Removes the tail of a segment that is not needed any more. */
  async forget(id: BlobHash): Promise<void> {
    await this.#tails?.remove(id)
  }

  async #read(ref: SegmentRef, range?: ByteRange): Promise<Buffer> {
    const { objects, owner, site, context } = this.#options
    try {
      return await objects.read(objectKeys.segment(owner, site, ref.id), range)
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
  async #checkedTwice<T>(ref: SegmentRef, read: () => Promise<T>): Promise<T> {
    try {
      return await read()
    } catch (error) {
      if (!isWrong(error)) throw error
    }
    await this.forget(ref.id)
    try {
      return await read()
    } catch (error) {
      throw isWrong(error) ? corrupt(ref, error) : error
    }
  }

  #loadIndex(ref: SegmentRef): Promise<SegmentIndex> {
    const begun = this.#loading.get(ref.id) ?? this.#readIndex(ref).finally(() => this.#loading.delete(ref.id))
    this.#loading.set(ref.id, begun)
    return begun
  }

  /** Reads an index; of a segment in a bucket the whole tail, as the nodes will be wanted, too. */
  async #readIndex(ref: SegmentRef): Promise<SegmentIndex> {
    const { context, keyring } = this.#options
    const range = { offset: ref.indexOffset, length: ref.bytes - ref.indexOffset }
    const known = this.#tails ? await this.#tails.read(ref, range) : await this.#read(ref, range)
    if (known) return readIndex(ref, known, context, keyring)
    const tail = await this.#read(ref, { offset: ref.tailOffset, length: ref.bytes - ref.tailOffset })
    const index = readIndex(ref, tail.subarray(ref.indexOffset - ref.tailOffset), context, keyring)
    await this.#tails?.write(ref, tail)
    return index
  }

  async #readFrame(ref: SegmentRef, { offset, length }: Frame): Promise<Buffer> {
    const range = { offset, length }
    if (!this.#tails || offset < ref.tailOffset) return this.#read(ref, range)
    const known = await this.#tails.read(ref, range)
    if (known) return known
    await this.#loadIndex(ref)
    return (await this.#tails.read(ref, range)) ?? (await this.#read(ref, range))
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
