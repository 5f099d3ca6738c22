/**
 * Merging: a site's log cut short behind a checkpoint, versions forgotten that nothing keeps, segments written anew.
 *
 * The checkpoint and the trim of what it covers are one transaction. What is not needed any more is only unnamed by it;
 * the collector removes the objects later, when nobody can be reading them any more.
 */

import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { isDamage } from '../contents/damages.ts'
import { localItem } from '../contents/pack.ts'
import { justAfter } from '../logs/timestamp.ts'
import { keyIdOf } from '../segments/keyring.ts'
import type { BareRef, SegmentRef } from '../segments/segment.ts'
import type { Ts } from '../store.ts'
import { liveHashes, planCompaction, type SmallOptions, smallOnes } from './compaction.ts'
import { type Made, noteMade, withMade } from './made.ts'
import { alivePins, retained } from './retention.ts'
import { rewrite } from './rewrite.ts'
import type { Prepared } from './site-log.ts'
import type { SiteParts } from './site-parts.ts'
import { checkpointOf, type SiteState } from './site-state.ts'
import type { Act, Keep, Merged, VersionRecord } from './versions.ts'

/** What a prune is told. */
export interface PruneInput {
  readonly keep: Keep
  readonly act: Act & { readonly keepAfter?: Ts | undefined }
  /** Whether the segments of a large site are to be looked through, too: that takes work in proportion to its files. */
  readonly isThorough: boolean
}

/** The objects of a site after a compaction. */
interface Compacted {
  readonly segments: readonly SegmentRef[]
  readonly bare: readonly BareRef[]
}

/** Prunes; see {@link SiteVersions.prune}. */
export function prune(parts: SiteParts, input: PruneInput): Promise<Merged> {
  const { log, contents } = parts
  return withMade(parts, async (made) => {
    let merged: Merged = nothing(log.state)
    const before = log.state.segments
    const done = await log.change(input.act, async () => {
      const { prepared, outcome } = await prepare(parts, input, made)
      merged = outcome
      return prepared
    })
    if (done && 'isNew' in done && done.isNew) {
      const kept = new Set(log.state.segments.map(({ id }) => id))
      for (const { id } of before) if (!kept.has(id)) await contents.forget(id)
    }
    return merged
  })
}

/** Merges small segments when there are too many. Answers whether there were. */
export async function packSmall(parts: SiteParts, options: SmallOptions = {}): Promise<boolean> {
  const { log, contents } = parts
  const releases: (() => void)[] = []
  try {
    const done = await log.change({}, async () => {
      const small = await smallOnes(contents, log.state.segments, options)
      if (small.length === 0) return undefined
      const { segments, release } = await rewrite(parts, small, () => true)
      releases.push(release)
      const drop = small.map(({ id }) => id)
      return { entry: { format: 2, kind: 'pack', atMs: parts.env.now(), segments: [...segments], bare: [], drop } }
    })
    if (done && 'committed' in done && done.committed.entry.kind === 'pack')
      for (const id of done.committed.entry.drop) await contents.forget(id)
    return done !== undefined
  } catch (error) {
    // What cannot be read cannot be merged; and nobody's publish is to fail for that.
    if (isDamage(error)) return false
    throw error
  } finally {
    for (const release of releases) release()
  }
}

async function prepare(
  parts: SiteParts,
  { keep, act, isThorough }: PruneInput,
  made: Made,
): Promise<{ prepared: Prepared | undefined; outcome: Merged }> {
  const { state } = parts.log
  const { kept, pruned } = retained(state, keep, act.atMs)
  const pins = alivePins(state.pins, act.atMs)
  const objects = isThorough ? await compactIfWhole(parts, kept, made) : state
  const hasChanged = pruned.length > 0 || pins.length < state.pins.length || isDifferent(state, objects)
  const trim = await trimOf(parts, act.keepAfter)
  const outcome = {
    pruned: pruned.map(({ version }) => version),
    segmentsBefore: state.segments.length,
    segmentsAfter: objects.segments.length,
  }
  if (!hasChanged && !(trim && state.entries >= limits.store.checkpointEntries)) return { prepared: undefined, outcome }
  const next: SiteState = { ...state, versions: kept, pins, segments: objects.segments, bare: objects.bare }
  const audit = pruned.length > 0 ? ({ act: 'prune', pruned: outcome.pruned } as const) : undefined
  return { prepared: { entry: checkpointOf(next, act.atMs), audit, ...trim }, outcome }
}

/** Compacts, or leaves everything as it is when something that is needed cannot be read: nothing may be lost by that. */
async function compactIfWhole(parts: SiteParts, kept: readonly VersionRecord[], made: Made): Promise<Compacted> {
  try {
    return await compact(parts, kept, made)
  } catch (error) {
    if (!isDamage(error)) throw error
    return parts.log.state
  }
}

/** The objects that some versions need, after what is worth it was written anew. */
async function compact(parts: SiteParts, kept: readonly VersionRecord[], made: Made): Promise<Compacted> {
  const { contents, log, keyring, env } = parts
  const { segments, bare } = log.state
  const live = await liveHashes(contents, kept, env.turn)
  const plan = await planCompaction(contents, segments, live, { large: bare.map(({ hash }) => hash), keyring })
  const gone = new Set<SegmentRef>([...plan.drop, ...plan.rewrite])
  const stay = segments.filter((ref) => !gone.has(ref))
  const there = new Set<BlobHash>()
  for (const ref of stay) for (const hash of (await contents.index(ref)).frames.keys()) there.add(hash)
  const rewritten = await rewrite(parts, plan.rewrite, (hash) => live.has(hash) && !there.has(hash))
  noteMade(made, rewritten)
  const large = await compactLarge(
    parts,
    bare.filter(({ hash }) => live.has(hash)),
    made,
  )
  return { segments: [...stay, ...rewritten.segments], bare: large }
}

/** Large contents, those anew that are sealed with an old key. */
async function compactLarge(parts: SiteParts, bare: readonly BareRef[], made: Made): Promise<readonly BareRef[]> {
  const { keyring, contents, blobs } = parts
  const kept: BareRef[] = []
  for (const ref of bare) {
    if (!keyring || keyIdOf(ref) === keyring.current) {
      kept.push(ref)
      continue
    }
    made.releases.push(blobs.hold([ref.hash]))
    await contents.ensure(ref.hash)
    const item = localItem(parts, { path: '', hash: ref.hash, bytes: ref.bytes })
    const packed = await contents.pack({ items: [item], lo: 0, hi: 0 })
    noteMade(made, packed)
    kept.push(...packed.bare)
  }
  return kept
}

function isDifferent(before: Compacted, after: Compacted): boolean {
  const ids = ({ segments, bare }: Compacted) => new Set([...segments, ...bare].map(({ id }) => id))
  return ids(before).symmetricDifference(ids(after)).size > 0
}

/** What of the log a checkpoint may take the place of. */
async function trimOf(
  { log }: SiteParts,
  keepAfter: Ts | undefined,
): Promise<Pick<Prepared, 'covers' | 'trim'> | undefined> {
  const { head } = log.state
  const { oldest } = await log.log.stat()
  if (head === undefined || oldest === undefined) return undefined
  const last = keepAfter === undefined || keepAfter > head ? head : keepAfter
  const covers = { lo: oldest, hi: head }
  return last < oldest ? undefined : { covers, trim: { from: oldest, to: justAfter(last) } }
}

function nothing({ segments }: SiteState): Merged {
  return { pruned: [], segmentsBefore: segments.length, segmentsAfter: segments.length }
}
