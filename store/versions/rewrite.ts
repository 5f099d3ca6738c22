/** Writing segments anew: what is needed of some, in fewer others. */

import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import type { PackItem } from '../contents/pack.ts'
import type { Frame, SegmentRef } from '../segments/segment.ts'
import type { SiteParts } from './site-parts.ts'

/** What was written. The objects are reserved until `release` is called. */
export interface Rewritten {
  readonly segments: readonly SegmentRef[]
  /** Keys of those that were not there before. */
  readonly created: readonly string[]
  release(): void
}

/**
 * Packs what `isNeeded` of some segments into new ones. Of a segment in a bucket what is not on the local disk comes
 * with one request. A few segments at a time are worked on, so memory is bounded. Throws like reading and packing.
 */
export async function rewrite(
  parts: SiteParts,
  segments: readonly SegmentRef[],
  isNeeded: (hash: BlobHash) => boolean,
): Promise<Rewritten> {
  const made: SegmentRef[] = []
  const created: string[] = []
  const releases: (() => void)[] = []
  const release = () => {
    for (const one of releases.splice(0)) one()
  }
  const done = new Set<BlobHash>()
  try {
    for (const batch of await batchesOf(parts, segments)) {
      const items = await itemsOf(parts, batch, (hash) => !done.has(hash) && isNeeded(hash))
      for (const { hash } of items) done.add(hash)
      if (items.length === 0) continue
      const lo = Math.min(...batch.map((ref) => ref.lo))
      const hi = Math.max(...batch.map((ref) => ref.hi))
      const packed = await parts.contents.pack({ items, lo, hi })
      releases.push(packed.release)
      made.push(...packed.segments)
      created.push(...packed.created)
    }
    return { segments: made, created, release }
  } catch (error) {
    release()
    throw error
  }
}

/** Segments in groups, each of which may be in memory at once. */
async function batchesOf(parts: SiteParts, segments: readonly SegmentRef[]): Promise<SegmentRef[][]> {
  const batches: SegmentRef[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const ref of segments) {
    await parts.env.turn()
    bytes += ref.bytes
    if (bytes > 4 * limits.segment.mostBytes) {
      batches.push([])
      bytes = ref.bytes
    }
    batches.at(-1)?.push(ref)
  }
  return batches
}

/** What is needed of some segments, as items to be packed. */
async function itemsOf(
  parts: SiteParts,
  segments: readonly SegmentRef[],
  isNeeded: (hash: BlobHash) => boolean,
): Promise<PackItem[]> {
  const { contents, blobs, objects } = parts
  /** Keyed by hash: what is there twice is packed once. */
  const items = new Map<BlobHash, PackItem>()
  for (const ref of segments) {
    const index = await contents.index(ref)
    const readWhole = contents.openWhole(ref)
    const read = async (frame: Frame): Promise<Uint8Array> => {
      if (!objects.isRemote || frame.kind === 'node') return contents.read({ kind: 'frame', head: index, frame })
      const cached = await blobs.read(frame.hash).catch(() => undefined) // What is not here, or damaged, is had again.
      if (cached) return cached
      return readWhole(frame)
    }
    for (const frame of index.frames.values()) {
      const { hash, kind, bytes } = frame
      if (isNeeded(hash) && !items.has(hash)) items.set(hash, { hash, kind, bytes, read: () => read(frame) })
    }
  }
  return [...items.values()]
}
