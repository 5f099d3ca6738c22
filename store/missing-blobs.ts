/** Which contents of a list of files are not there yet. */

import { limits } from '../core/limits.ts'
import type { BlobHash } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { Blobs } from './blobs.ts'
import { refuseFiles, type TreeFile } from './tree.ts'

/**
 * The contents of files that are not there, each once, in their order. The look marks those that are there as used,
 * which keeps them from a sweep for a while. A content that the disk has damaged counts as not there. Throws
 * `ERR_PUBLISH_REFUSED` that names every file whose content has another length than the list says.
 */
export async function missingBlobs(
  blobs: Pick<Blobs, 'bytesOf' | 'discardDamaged'>,
  files: readonly TreeFile[],
): Promise<BlobHash[]> {
  /** Keyed by hash; the length, or undefined for what is not there. */
  const lengths = new Map<BlobHash, number | undefined>(files.map(({ hash }) => [hash, undefined]))
  await forEachParallel([...lengths.keys()], limits.store.blobLookups, async (hash) => {
    lengths.set(hash, await blobs.bytesOf(hash))
  })
  // A length that is not the content's is one that the list has wrong, or the mark of a damaged file, which would stand
  // in the way of its own repair for ever.
  const doubtful = new Set(files.filter(({ hash, bytes }) => (lengths.get(hash) ?? bytes) !== bytes).map(hashOf))
  for (const hash of doubtful) if (await blobs.discardDamaged(hash)) lengths.set(hash, undefined)
  const wrong = files.flatMap(({ path, hash, bytes }) => {
    const found = lengths.get(hash)
    return found === undefined || found === bytes ? [] : { path, reason: `has ${found} bytes, not ${bytes}` }
  })
  if (wrong.length > 0) refuseFiles(wrong)
  return [...lengths].flatMap(([hash, bytes]) => (bytes === undefined ? hash : []))
}

function hashOf({ hash }: TreeFile): BlobHash {
  return hash
}
