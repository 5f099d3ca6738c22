/** Writing contents and nodes for good: into new segments, and large contents into objects of their own. */

import { GroveError, isGroveError } from '../../core/errors.ts'
import type { BlobHash } from '../../core/names.ts'
import { toDiskError } from '../disk-error.ts'
import { objectKeys } from '../objects/keys.ts'
import { isObjectsError } from '../objects/object-errors.ts'
import type { FileSource } from '../objects/objects.ts'
import { plainBare, writeBare } from '../segments/bare.ts'
import { isBare, planSegments } from '../segments/plan-segments.ts'
import type { BareRef, SegmentItem, SegmentRef } from '../segments/segment.ts'
import { writeSegment } from '../segments/write-segment.ts'
import { missingContents } from './content-file.ts'
import type { SegmentSource, SourceOptions } from './segment-source.ts'

/** Something to be packed; a content's path says where it fits. */
export type PackItem = SegmentItem & { readonly path?: string }

/** What was written. The objects are reserved until `release` is called: after the commit that names them, or without one. */
export interface PackedObjects {
  readonly segments: readonly SegmentRef[]
  readonly bare: readonly BareRef[]
  /** Keys of those that were not there before. */
  readonly created: readonly string[]
  release(): void
}

/** What is packed, and for which interval of versions. */
export interface PackInput {
  readonly items: readonly PackItem[]
  readonly lo: number
  readonly hi: number
}

/**
 * Writes items for good. Small ones are packed, contents that are too large for a segment are taken from the local disk.
 * When it rejects, what it has written so far is left to the collector. Throws `ERR_BLOB_MISSING` for a content that is
 * gone or damaged on the local disk, `ERR_DATA_IO`, `ERR_OBJECTS`.
 */
export async function packObjects(
  options: SourceOptions & { readonly source: SegmentSource },
  { items, lo, hi }: PackInput,
): Promise<PackedObjects> {
  const segments: SegmentRef[] = []
  const bare: BareRef[] = []
  const made: Made = { releases: [], created: [] }
  const release = () => {
    for (const one of made.releases.splice(0)) one()
  }
  try {
    for (const { hash, bytes } of uniqueLarge(items)) bare.push(await writeLarge(options, hash, bytes, made))
    const context = { ...options.context, lo, hi }
    for (const group of planSegments(items.filter(({ bytes }) => !isBare(bytes))))
      segments.push(await writeGroup(options, context, group, made))
    return { segments, bare, created: made.created, release }
  } catch (error) {
    release()
    throw error
  }
}

/** Of the objects that were written: what lets them go, and keys of those that were not there before. */
interface Made {
  readonly releases: (() => void)[]
  readonly created: string[]
}

async function writeGroup(
  options: SourceOptions & { readonly source: SegmentSource },
  context: SourceOptions['context'] & { readonly lo: number; readonly hi: number },
  items: readonly PackItem[],
  made: Made,
): Promise<SegmentRef> {
  const { env, blobs, keyring, owner, site, source } = options
  const folder = blobs.layout.temporary
  const { ref, file, index } = await writeSegment({ env, folder, context, items, keyring }).catch((error: unknown) => {
    throw toDiskError('write a segment', error)
  })
  try {
    const durable = { file, length: ref.bytes, sha256: ref.id, isDurable: true }
    await createReserved(options, objectKeys.segment(owner, site, ref.id), durable, made)
    await source.keepTail(ref, file)
    blobs.memory.indexes.set(ref.id, { index, isWhole: true })
    return ref
  } finally {
    await env.files.remove(file)
  }
}

async function writeLarge(options: SourceOptions, hash: BlobHash, bytes: number, made: Made): Promise<BareRef> {
  const { env, blobs, keyring, owner, site, context } = options
  if (keyring) {
    const folder = blobs.layout.temporary
    const sealing = { env, keyring, context, hash, bytes, folder }
    const { ref, file } = await writeBare(sealing, blobs.stream(hash)).catch((error) => damaged(options, hash, error))
    try {
      const durable = { file, length: ref.storedBytes, sha256: ref.id, isDurable: true }
      await createReserved(options, objectKeys.large(owner, site, ref.id), durable, made)
      return ref
    } finally {
      await env.files.remove(file)
    }
  }
  const ref = plainBare(hash, bytes)
  for (let isFirst = true; ; isFirst = false) {
    const file = await blobs.fileOf(hash)
    if (file === undefined) throw missingContents([hash])
    try {
      const source = { file, length: bytes, sha256: hash }
      await createReserved(options, objectKeys.large(owner, site, ref.id), source, made)
      return ref
    } catch (error) {
      // Another site that has published it just now has had it moved into the cache while it was read.
      const isMoved = isFirst && (await blobs.fileOf(hash)) !== file
      if (!isMoved) return damaged(options, hash, error)
    }
  }
}

/** Creates an object that nobody collects before it is released. */
async function createReserved(
  { blobs, objects }: SourceOptions,
  key: string,
  source: FileSource,
  { releases, created }: Made,
): Promise<void> {
  releases.push(await blobs.reservations.reserve([key]))
  try {
    if ((await objects.create(key, source)) === 'created') created.push(key)
  } catch (error) {
    // The key is the hash of the bytes, so others under it are damage, or what somebody sent with a pre-signed URL to a
    // bucket that does not check sums. Nothing can have relied on them.
    if (!isObjectsError(error, 'taken')) throw error
    await objects.remove([key])
    await objects.create(key, source)
  }
}

/** A content of the local disk that is not what its name says is removed, so that it can be sent again. */
async function damaged({ blobs }: Pick<SourceOptions, 'blobs'>, hash: BlobHash, error: unknown): Promise<never> {
  const isDamage = isGroveError(error, 'ERR_BLOB_CORRUPT') || isGroveError(error, 'ERR_BLOB_MISMATCH')
  if (isDamage && (await blobs.discardDamaged(hash))) throw missingContents([hash])
  throw error instanceof GroveError ? error : toDiskError(`write content ${hash}`, error)
}

/** A content of the local disk as an item. One that is damaged there counts as missing, and can be sent again. */
export function localItem(
  options: Pick<SourceOptions, 'blobs'>,
  { path, hash, bytes }: { readonly path: string; readonly hash: BlobHash; readonly bytes: number },
): PackItem {
  const read = () => options.blobs.read(hash).catch((error: unknown) => damaged(options, hash, error))
  return { path, hash, bytes, kind: 'content', read }
}

/** A node in memory as an item. */
export function nodeItem(hash: BlobHash, bytes: Uint8Array): PackItem {
  return { hash, bytes: bytes.length, kind: 'node', read: async () => bytes }
}

function uniqueLarge(items: readonly PackItem[]): PackItem[] {
  const large = items.filter(({ bytes }) => isBare(bytes))
  return [...new Map(large.map((item) => [item.hash, item])).values()]
}
