/** Bringing contents of a site from its objects into the cache on the local disk. */

import { GroveError, isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { objectKeys } from '../objects/keys.ts'
import { openStream } from '../segments/bare.ts'
import { openFrame } from '../segments/read-segment.ts'
import type { BareRef, SegmentRef } from '../segments/segment.ts'
import { once } from './content-file.ts'
import type { SegmentSource, SourceOptions } from './segment-source.ts'

/**
 * Brings a large content into the cache. Throws `ERR_BLOB_CORRUPT` when it is damaged twice in a row, `ERR_BLOB_MISSING`
 * when its object is gone, `ERR_OBJECTS`, `ERR_DATA_IO`.
 */
export async function fetchLarge(options: SourceOptions, ref: BareRef): Promise<void> {
  const { objects, blobs, owner, site, context, keyring } = options
  const accept = async () => {
    const stored = objects.stream(objectKeys.large(owner, site, ref.id))
    await blobs.accept(ref.hash, openStream({ ref, context, keyring }, stored), ref.bytes)
  }
  try {
    await accept().catch((error: unknown) => {
      if (!isDamage(error)) throw error
      return accept()
    })
  } catch (error) {
    if (isGroveError(error, 'ERR_NOT_FOUND'))
      throw new GroveError('ERR_BLOB_MISSING', `content ${ref.hash} of ${context.log} is gone: ${error.message}`, {
        cause: error,
        details: { missing: [ref.hash] },
      })
    if (isDamage(error) && !isGroveError(error, 'ERR_BLOB_CORRUPT'))
      throw new GroveError('ERR_BLOB_CORRUPT', `content ${ref.hash} is damaged in ${objects.name}`, { cause: error })
    throw error
  }
}

/** Fetches a whole segment and takes the contents that are wanted, or all, into the cache. */
export async function fetchWhole(
  options: SourceOptions,
  source: SegmentSource,
  ref: SegmentRef,
  wanted: ReadonlySet<BlobHash> | undefined,
): Promise<void> {
  const { blobs, context, keyring } = options
  const { index, bytes } = await source.whole(ref)
  await forEachParallel(index.frames.values(), limits.store.fetches, async (frame) => {
    // A file whose content equals a node's has one frame with it.
    if (wanted ? !wanted.has(frame.hash) : frame.kind === 'node') return
    if (await blobs.isCached(frame.hash)) return
    const stored = bytes.subarray(frame.offset, frame.offset + frame.length)
    const content = await openFrame(index, frame, stored, context, keyring)
    await blobs.accept(frame.hash, once(content), frame.bytes)
  })
}

/** Whether a content that came is not what it was said to be. */
function isDamage(error: unknown): boolean {
  return (['ERR_BLOB_CORRUPT', 'ERR_BLOB_MISMATCH', 'ERR_TOO_LARGE', 'ERR_DATA_FORMAT'] as const).some((code) =>
    isGroveError(error, code),
  )
}
