/** Local copies of the tails of segments that lie in a bucket: their nodes and indexes. */

import { type Layout, tailFile } from '../../core/layout.ts'
import type { BlobHash } from '../../core/names.ts'
import { isMissingFile, toDiskError } from '../disk-error.ts'
import type { Environment } from '../environment.ts'
import type { ByteRange } from '../objects/objects.ts'
import type { SegmentRef } from '../segments/segment.ts'
import { moveIntoCache, temporaryFile } from './content-file.ts'

/** Copies of tails. Calls reject with `ERR_DATA_IO`. */
export interface Tails {
  /** A part of a tail, if there is a copy that is long enough. `range`: in the segment, within its tail. */
  read(ref: SegmentRef, range: ByteRange): Promise<Buffer | undefined>
  /** Keeps a copy. One that a power failure tears is found out by its sums. */
  write(ref: SegmentRef, tail: Uint8Array): Promise<void>
  /** Whether there is a copy. */
  has(ref: SegmentRef): Promise<boolean>
  remove(id: BlobHash): Promise<void>
}

/** The copies in a data folder. */
export function createTails(env: Environment, layout: Layout): Tails {
  const { files } = env
  return {
    async read(ref, range) {
      try {
        const bytes = await files.readRange(tailFile(layout, ref.id), range.offset - ref.tailOffset, range.length)
        return bytes.length === range.length ? bytes : undefined
      } catch (error) {
        if (isMissingFile(error)) return undefined
        throw toDiskError(`read the tail of segment ${ref.id}`, error)
      }
    },
    async write(ref, tail) {
      const temporary = temporaryFile(env, layout)
      try {
        const writer = await files.create(temporary)
        try {
          await writer.write(tail)
        } finally {
          await writer.close()
        }
        await moveIntoCache(env, temporary, tailFile(layout, ref.id))
      } catch (error) {
        await files.remove(temporary).catch(() => {}) // The folder is emptied at the next start.
        throw toDiskError(`keep the tail of segment ${ref.id}`, error)
      }
    },
    has: async (ref) => (await files.stat(tailFile(layout, ref.id))) !== undefined,
    async remove(id) {
      await files.remove(tailFile(layout, id))
    },
  }
}
