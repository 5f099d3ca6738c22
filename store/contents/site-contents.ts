/** The contents and nodes of one site: found in its segments, brought to the local disk when fronts want them. */

import { tailFile } from '../../core/layout.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import { openFrame } from '../segments/read-segment.ts'
import type { BareRef, Frame, SegmentHead, SegmentIndex, SegmentRef } from '../segments/segment.ts'
import type { ReadNode, TreeFile } from '../trees/tree-file.ts'
import { missingContents, once } from './content-file.ts'
import { createDamages, isDamage } from './damages.ts'
import { fetchLarge, fetchWhole } from './fetch.ts'
import { type PackedObjects, type PackInput, packObjects } from './pack.ts'
import { createSegmentSource, type SourceOptions } from './segment-source.ts'

/** Where something lies in a segment. */
export interface FramePlace {
  readonly kind: 'frame'
  readonly head: SegmentHead
  readonly frame: Frame
}

/** Where a content or a node lies. */
export type Place = FramePlace | { readonly kind: 'large'; readonly ref: BareRef }

/** The contents of one site. Reading throws `ERR_BLOB_MISSING`, `ERR_BLOB_CORRUPT`, `ERR_OBJECTS`, `ERR_DATA_IO`. */
export interface SiteContents {
  /** Says which objects hold the site from now on. Costs nothing. */
  use(segments: readonly SegmentRef[], bare: readonly BareRef[]): void
  /** Where something lies for good, or undefined. Reads indexes. What was found damaged just now counts as not there. */
  find(hash: BlobHash): Promise<Place | undefined>
  /** Whether something of an object could not be read lately, and has not been read since. */
  isDamaged(object: BlobHash): boolean
  /** A node of a tree. */
  readonly node: ReadNode
  /** A content or a node of a segment, whole. */
  read(place: FramePlace): Promise<Buffer>
  /** Reads frames of one segment; the first that is asked for brings all of it into memory. */
  openWhole(ref: SegmentRef): (frame: Frame) => Promise<Buffer>
  /** The index of a segment. */
  index(ref: SegmentRef): Promise<SegmentIndex>
  /** Sees to it that fronts find a content on the local disk. */
  ensure(hash: BlobHash): Promise<void>
  /** The same for many, with few requests: segments that are wanted for a good part are fetched whole. */
  ensureAll(files: AsyncIterable<Pick<TreeFile, 'hash' | 'bytes'>>): Promise<void>
  /**
   * Fetches segments whole of which nothing is known here yet, when they are at most `mostBytes` together: whoever wants
   * all of a site needs no second request for what is in them. Does nothing for a folder.
   */
  fetchUnknown(mostBytes: number): Promise<void>
  /** Writes contents and nodes for good. */
  pack(input: PackInput): Promise<PackedObjects>
  /** Takes note that a segment is not needed any more. */
  forget(id: BlobHash): Promise<void>
}

/** The contents of a site, in no objects yet. */
export function createSiteContents(options: SourceOptions): SiteContents {
  const { env, objects, blobs } = options
  const source = createSegmentSource(options)
  const damages = createDamages(env)
  const { run: fetching } = createTurnstile({
    parallel: limits.store.fetches,
    most: limits.store.waitingFetches,
    what: `contents of site "${options.site}" that are fetched`,
  })
  let segments: readonly SegmentRef[] = []
  /** Keyed by the hash of the content. */
  let large = new Map<BlobHash, BareRef>()
  /** Keyed by hash of a content, or id of a segment that is fetched whole. */
  const underWay = new Map<string, Promise<void>>()

  /** One piece of work for all who want the same at one time. */
  function shared(key: string, work: () => Promise<void>): Promise<void> {
    const known = underWay.get(key)
    if (known) return known
    const begun = fetching(work).finally(() => underWay.delete(key))
    underWay.set(key, begun)
    return begun
  }

  async function find(hash: BlobHash, isLastTry = false): Promise<Place | undefined> {
    const isShunned = (object: BlobHash, content?: BlobHash) => !isLastTry && damages.isFresh(object, content)
    const ref = large.get(hash)
    if (ref && !isShunned(ref.id)) return { kind: 'large', ref }
    const present = segments
    for (const { id } of present) {
      const index = blobs.memory.indexes.get(id)?.index
      const frame = index?.frames.get(hash)
      if (index && frame && !isShunned(id, hash)) return { kind: 'frame', head: index, frame }
    }
    let damage: unknown
    // The newest first: there lies what is asked for most.
    for (const segment of present.toReversed()) {
      const { id } = segment
      if (blobs.memory.indexes.get(id)?.isWhole || isShunned(id)) continue
      try {
        const index = await source.index(segment)
        damages.clear(id)
        const frame = index.frames.get(hash)
        if (frame && !isShunned(id, hash)) return { kind: 'frame', head: index, frame }
      } catch (error) {
        if (!isDamage(error)) throw error
        damages.note(id)
        damage = error
      }
    }
    if (isLastTry && damage !== undefined) throw damage
    return undefined
  }

  /** Reads something from the first place that is not damaged; when there is none, from a damaged one, which may be well again. */
  async function readFrom<T>(hash: BlobHash, read: (place: Place) => Promise<T>): Promise<T> {
    let damage: unknown
    for (let place = await find(hash); place; place = await find(hash)) {
      try {
        return await read(place)
      } catch (error) {
        if (!isDamage(error)) throw error
        damage = error
        noteDamage(place, hash)
      }
    }
    if (damage !== undefined) throw damage
    const place = await find(hash, true)
    if (!place) throw missingContents([hash])
    const value = await read(place)
    if (place.kind === 'large') damages.clear(place.ref.id)
    else damages.clear(place.head.ref.id, hash)
    return value
  }

  function noteDamage(place: Place, hash: BlobHash): void {
    if (place.kind === 'large') damages.note(place.ref.id)
    else damages.note(place.head.ref.id, hash)
  }

  function fetch(hash: BlobHash): Promise<void> {
    return readFrom(hash, async (place) => {
      if (place.kind === 'large') await fetchLarge(options, place.ref)
      else await blobs.accept(hash, once(await source.frame(place.head, place.frame)), place.frame.bytes)
    })
  }

  async function ensure(hash: BlobHash): Promise<void> {
    if (await blobs.isCached(hash)) return
    // Sent and published, and not moved before the process ended.
    if ((await blobs.bytesOf(hash)) !== undefined && (await find(hash))) {
      await blobs.settle([hash])
      if (await blobs.isCached(hash)) return
    }
    const place = objects.isRemote ? await find(hash) : undefined
    if (place?.kind !== 'frame' || place.head.ref.bytes > limits.store.wholeFetchBytes)
      return shared(hash, () => fetch(hash))
    const { ref } = place.head
    await shared(ref.id, () => fetchWhole(options, source, ref, undefined)).catch(butDamage)
    // One that equals a node was left out; and of a damaged segment the rest may be had.
    if (!(await blobs.isCached(hash))) await shared(hash, () => fetch(hash))
  }

  /** Fetches segments whole that are wanted for a good part; answers what is still lacking. */
  async function fetchSegments(lacking: ReadonlySet<BlobHash>): Promise<Set<BlobHash>> {
    const left = new Set(lacking)
    /** Keyed by segment. */
    const bySegment = new Map<SegmentRef, Frame[]>()
    for (const hash of lacking) {
      const place = await find(hash)
      if (place?.kind !== 'frame') continue
      const frames = bySegment.get(place.head.ref)
      if (frames) frames.push(place.frame)
      else bySegment.set(place.head.ref, [place.frame])
    }
    for (const [ref, frames] of bySegment) {
      const bytes = frames.reduce((sum, { length }) => sum + length, 0)
      // One request costs as much as some tens of kilobytes (facts/publishing.md), and waits as long as some megabytes.
      if (frames.length < 2 || bytes * 4 + frames.length * 65_536 < ref.bytes) continue
      const wanted = new Set(frames.map(({ hash }) => hash))
      await shared(ref.id, () => fetchWhole(options, source, ref, wanted)).catch(butDamage)
      for (const hash of wanted) if (await blobs.isCached(hash)) left.delete(hash)
    }
    return left
  }

  return {
    use(nextSegments, nextBare) {
      segments = nextSegments
      large = new Map(nextBare.map((ref) => [ref.hash, ref]))
    },
    find: (hash) => find(hash),
    isDamaged: damages.isDamaged,
    async node(hash) {
      const known = blobs.memory.nodes.get(hash)
      if (known) return known
      if (large.has(hash)) throw missingContents([hash]) // Nothing that is so large is a node.
      const node = await readFrom(hash, async (place) =>
        place.kind === 'frame' ? source.frame(place.head, place.frame) : Buffer.alloc(0),
      )
      blobs.memory.nodes.set(hash, node)
      return node
    },
    read: ({ head, frame }) => source.frame(head, frame),
    openWhole(ref) {
      let whole: ReturnType<typeof source.whole> | undefined
      return async (frame) => {
        whole ??= source.whole(ref)
        const { index, bytes } = await whole
        const stored = bytes.subarray(frame.offset, frame.offset + frame.length)
        return openFrame(index, frame, stored, options.context, options.keyring)
      }
    },
    index: source.index,
    ensure,
    async ensureAll(files) {
      const lacking = new Set<BlobHash>()
      for await (const { hash } of files) if (!(await blobs.isCached(hash))) lacking.add(hash)
      const left = objects.isRemote ? await fetchSegments(lacking) : lacking
      await forEachParallel(left, limits.store.fetches, ensure)
    },
    async fetchUnknown(mostBytes) {
      if (!objects.isRemote) return
      const unknown: SegmentRef[] = []
      for (const ref of segments) {
        if (blobs.memory.indexes.get(ref.id)) continue
        if ((await env.files.stat(tailFile(blobs.layout, ref.id))) === undefined) unknown.push(ref)
      }
      if (unknown.reduce((sum, { bytes }) => sum + bytes, 0) > mostBytes) return
      await forEachParallel(unknown, limits.store.fetches, (ref) =>
        shared(ref.id, () => fetchWhole(options, source, ref, undefined)),
      )
    },
    pack: (input) => packObjects({ ...options, source }, input),
    forget: source.forget,
  }
}

/** Leaves a damage to whoever asks for the content itself: there may be another place. */
function butDamage(error: unknown): void {
  if (!isDamage(error)) throw error
}
