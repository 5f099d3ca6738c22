/**
 * Which segments of a site are written anew: those of which less than half is in use, those that are sealed with an old
 * key, and small ones when there are many. So a site that nobody has on its disk is whole after few requests.
 *
 * Small ones are merged in tiers: a run of the smallest, as long as the next one is not larger than twice all before it.
 * So a content is rewritten a few times at most until its segment is full. While a site is published to often, it may
 * have some segments more, else each publish would write anew what the one before has merged; a site at rest may not.
 */

import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { isDamage } from '../contents/damages.ts'
import type { SiteContents } from '../contents/site-contents.ts'
import { type Keyring, keyIdOf } from '../segments/keyring.ts'
import type { SegmentIndex, SegmentRef } from '../segments/segment.ts'
import { nodesOf } from '../trees/walk.ts'
import type { VersionRecord } from './versions.ts'

/** Which segments go: some because nothing in them is needed, the others because they are written anew. */
export interface Compaction {
  readonly drop: readonly SegmentRef[]
  readonly rewrite: readonly SegmentRef[]
}

/** How many segments a site that is published to may have before small ones are merged, if `full` of them are full. */
export function mostSegments(full: number): number {
  return Math.max(limits.store.segments, full + 4)
}

/** Every content and node that some versions need. */
export async function liveHashes(
  contents: Pick<SiteContents, 'node'>,
  versions: readonly VersionRecord[],
  turn: () => Promise<void>,
): Promise<Set<BlobHash>> {
  const live = new Set<BlobHash>()
  for (const { root } of versions)
    for await (const { hash, files } of nodesOf(contents.node, root, (known) => live.has(known), turn)) {
      live.add(hash)
      for (const file of files ?? []) live.add(file.hash)
    }
  return live
}

/**
 * What becomes of a site's segments when only `live` is needed. Reads all their indexes. One that is damaged goes, when
 * what it held lies elsewhere. `large`: contents that lie in no segment. Throws what reading an index throws, when that is needed.
 */
export async function planCompaction(
  contents: Pick<SiteContents, 'index' | 'isDamaged'>,
  segments: readonly SegmentRef[],
  live: ReadonlySet<BlobHash>,
  { large, keyring }: { readonly large: Iterable<BlobHash>; readonly keyring: Keyring | undefined },
): Promise<Compaction> {
  const drop: SegmentRef[] = []
  const rewrite: SegmentRef[] = []
  const kept: SegmentRef[] = []
  const lost: unknown[] = []
  const there = new Set<BlobHash>(large)
  for (const ref of segments) {
    const index = await contents.index(ref).catch((error: unknown) => {
      if (!isDamage(error)) throw error
      lost.push(error)
      drop.push(ref)
    })
    if (!index) continue
    for (const hash of index.frames.keys()) there.add(hash)
    const { total, needed } = sharesOf(index, live)
    if (needed === 0) drop.push(ref)
    else if (needed * 2 < total || isOldKey(index, keyring) || contents.isDamaged(ref.id)) rewrite.push(ref)
    else kept.push(ref)
  }
  if (lost.length > 0 && !live.isSubsetOf(there)) throw lost[0]
  const small = await smallOnes(contents, kept, { more: rewrite.length > 0 ? 1 : 0 })
  return { drop, rewrite: [...rewrite, ...small] }
}

/** Where small segments are looked for. */
export interface SmallOptions {
  /** Segments that will be there besides. @default 0 */
  readonly more?: number
  /** Whether nobody is about to publish: then all small ones become one. @default false */
  readonly isAtRest?: boolean
}

/** Small segments that should become one, when there are too many; none when there is nothing to win. */
export async function smallOnes(
  contents: Pick<SiteContents, 'index'>,
  segments: readonly SegmentRef[],
  { more = 0, isAtRest = false }: SmallOptions = {},
): Promise<SegmentRef[]> {
  if (segments.length + more < limits.store.segments) return []
  const small: { readonly ref: SegmentRef; readonly bytes: number }[] = []
  for (const ref of segments) {
    const index = await contents.index(ref).catch(leaveDamaged)
    const bytes = index ? contentBytes(index) : Number.POSITIVE_INFINITY
    if (bytes < limits.store.fullSegmentBytes) small.push({ ref, bytes })
  }
  if (!isAtRest && segments.length + more < mostSegments(segments.length - small.length)) return []
  small.sort((a, b) => a.bytes - b.bytes)
  const run: SegmentRef[] = []
  let bytes = 0
  for (const one of small) {
    if (!isAtRest && run.length >= 2 && one.bytes > 2 * bytes) break
    run.push(one.ref)
    bytes += one.bytes
  }
  return run.length + more >= 2 ? run : []
}

/** A segment whose index is damaged cannot be merged; it stays as it is. */
function leaveDamaged(error: unknown): undefined {
  if (!isDamage(error)) throw error
}

/** Whether what a keyring seals now is sealed otherwise here. Without a keyring nothing is. */
function isOldKey(index: SegmentIndex, keyring: Keyring | undefined): boolean {
  return keyring !== undefined && keyIdOf(index) !== keyring.current
}

/** Bytes of a segment's frames, and of those that are needed. */
function sharesOf(index: SegmentIndex, live: ReadonlySet<BlobHash>): { total: number; needed: number } {
  let total = 0
  let needed = 0
  for (const { hash, length } of index.frames.values()) {
    total += length
    if (live.has(hash)) needed += length
  }
  return { total, needed }
}

function contentBytes({ frames }: SegmentIndex): number {
  let sum = 0
  for (const { bytes } of frames.values()) sum += bytes
  return sum
}
