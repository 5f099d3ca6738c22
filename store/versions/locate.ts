/** Where the contents of files are: in the site's objects, on the local disk, sent straight to the bucket, or nowhere. */

import { isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { objectKeys } from '../objects/keys.ts'
import { refuseFiles } from '../trees/refusal.ts'
import type { TreeFile } from '../trees/tree-file.ts'
import type { SiteParts } from './site-parts.ts'
import type { PublishInput } from './versions.ts'

/** What of some files is where. Each content once. */
export interface Located {
  /** Contents that are in no object of the site yet, and on the local disk. */
  readonly local: readonly TreeFile[]
  /** Those that a client has sent straight to the bucket; nobody has checked them yet. */
  readonly sent: readonly TreeFile[]
  readonly missing: readonly BlobHash[]
}

/**
 * Looks for the contents of files. What is found on the local disk counts as used now; what is damaged there counts as
 * missing, and so does what is not `isSent` (see {@link PublishInput}). Throws `ERR_PUBLISH_REFUSED` that names every
 * file whose content has another length than the list says.
 */
export async function locate(
  parts: SiteParts,
  files: readonly TreeFile[],
  isSent: PublishInput['isSent'] = () => true,
): Promise<Located> {
  const { blobs, contents } = parts
  /** Keyed by hash. */
  const wanted = new Map<BlobHash, TreeFile>(files.map((file) => [file.hash, file]))
  const lengths = new Map<BlobHash, number>()
  const local = new Map<BlobHash, TreeFile>()
  const absent = new Map<BlobHash, TreeFile>()
  await forEachParallel(wanted, limits.store.blobLookups, async ([hash, file]) => {
    const place = await contents.find(hash)
    const kept = place && (place.kind === 'large' ? place.ref.bytes : place.frame.bytes)
    const bytes = kept ?? (isSent(hash) ? await blobs.bytesOf(hash) : undefined)
    if (bytes !== undefined) lengths.set(hash, bytes)
    if (bytes === undefined) absent.set(hash, file)
    else if (kept === undefined) local.set(hash, file)
  })
  // A length that is not the content's is one that the list has wrong, or the mark of a damaged file, which would stand
  // in the way of its own repair for ever.
  const looked = new Set<BlobHash>()
  for (const { hash, bytes } of files) {
    const file = local.get(hash)
    // Each is read once, however often a list names it wrongly.
    if (!file || lengths.get(hash) === bytes || looked.has(hash)) continue
    looked.add(hash)
    if (!(await blobs.discardDamaged(hash))) continue
    lengths.delete(hash)
    local.delete(hash)
    absent.set(hash, file)
  }
  const wrong = files.flatMap(({ path, hash, bytes }) => {
    const found = lengths.get(hash)
    return found === undefined || found === bytes ? [] : { path, reason: `has ${found} bytes, not ${bytes}` }
  })
  if (wrong.length > 0) refuseFiles(wrong)
  const sent = await sentToBucket(parts, absent)
  for (const { hash } of sent) absent.delete(hash)
  // In the order of the list, so that a client sends in the order in which it reads.
  const inOrder = (those: ReadonlyMap<BlobHash, TreeFile>) => [...wanted.values()].filter(({ hash }) => those.has(hash))
  return { local: inOrder(local), sent, missing: inOrder(absent).map(({ hash }) => hash) }
}

/** Those contents that lie in the bucket under their hash with the right length. */
async function sentToBucket(parts: SiteParts, absent: ReadonlyMap<BlobHash, TreeFile>): Promise<TreeFile[]> {
  const { objects, keyring, owner, name } = parts
  if (absent.size === 0 || !objects.presign || keyring) return []
  const prefix = objectKeys.larges(owner, name)
  const found: TreeFile[] = []
  for await (const { key, bytes } of objects.list(prefix)) {
    const file = absent.get(key.slice(prefix.length))
    if (file && file.bytes === bytes) found.push(file)
  }
  return found
}

/**
 * Takes contents that were sent straight to the bucket onto the local disk, each read once and checked. Answers those
 * that are not what their names say; their objects are removed, so that they can be sent again. What a version names was
 * right once and stays: it may have been changed on the way here.
 */
export async function takeSent(parts: SiteParts, files: readonly TreeFile[]): Promise<BlobHash[]> {
  const { objects, blobs, owner, name, log } = parts
  const named = new Set(log.state.bare.map(({ id }) => id))
  const wrong: BlobHash[] = []
  await forEachParallel(files, limits.store.fetches, async ({ hash, bytes }) => {
    const key = objectKeys.large(owner, name, hash)
    try {
      await blobs.put(hash, objects.stream(key), bytes)
    } catch (error) {
      const isOther = isGroveError(error, 'ERR_BLOB_MISMATCH') || isGroveError(error, 'ERR_TOO_LARGE')
      if (!isOther && !isGroveError(error, 'ERR_NOT_FOUND')) throw error
      if (isOther && !named.has(hash)) await objects.remove([key])
      wrong.push(hash)
    }
  })
  return wrong
}
