/** The contents and nodes of one site: found in its objects, brought to the local disk when fronts want them. */

import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { createTurnstile, type Turnstile } from '../../core/turnstile.ts'
import { openFrame } from '../segments/read-segment.ts'
import type { BareRef, Frame, SegmentIndex, SegmentRef } from '../segments/segment.ts'
import type { ReadNode, TreeFile } from '../trees/tree-file.ts'
import { missingContents, once } from './content-file.ts'
import { isDamage } from './damages.ts'
import { fetchLarge, fetchWhole } from './fetch.ts'
import { type PackedObjects, type PackInput, packObjects } from './pack.ts'
import { type FramePlace, type Place, Places } from './places.ts'
import { SegmentSource, type SourceOptions } from './segment-source.ts'

/** The contents of one site. Reading throws `ERR_BLOB_MISSING`, `ERR_BLOB_CORRUPT`, `ERR_OBJECTS`, `ERR_DATA_IO`. */
export class SiteContents {
  readonly #options: SourceOptions
  readonly #source: SegmentSource
  readonly #places: Places
  readonly #fetching: Turnstile
  /** Keyed by hash of a content, or id of a segment that is fetched whole. */
  readonly #underWay = new Map<BlobHash, Promise<void>>()

  /** Contents in no objects yet. */
  constructor(options: SourceOptions) {
    this.#options = options
    this.#source = new SegmentSource(options)
    this.#places = new Places(options.env, options.blobs.memory, this.#source)
    this.#fetching = createTurnstile({
      parallel: limits.store.fetches,
      most: limits.store.waitingFetches,
      what: `contents of site "${options.site}" that are fetched`,
    })
  }

  /** Says which objects hold the site from now on. Costs nothing. */
  use(segments: readonly SegmentRef[], large: readonly BareRef[]): void {
    this.#places.use(segments, large)
  }

  /** Where something lies for good, or undefined. Reads indexes. What was found damaged just now counts as not there. */
  find(hash: BlobHash): Promise<Place | undefined> {
    return this.#places.find(hash)
  }

  /** Whether something of an object could not be read lately, and has not been read since. */
  isDamaged(object: BlobHash): boolean {
    return this.#places.isDamaged(object)
  }

  /** A node of a tree. */
  readonly node: ReadNode = async (hash) => {
    const { nodes } = this.#options.blobs.memory
    const known = nodes.get(hash)
    if (known) return known
    if (this.#places.isLarge(hash)) throw missingContents([hash]) // Nothing that is so large is a node.
    const read = await this.#places.read(hash, async (place) =>
      place.kind === 'frame' ? this.#source.frame(place.head, place.frame) : Buffer.alloc(0),
    )
    // In memory of its own: what was unpacked is a piece of a pool, as a rule, all of which it would keep.
    const node = new Uint8Array(read)
    nodes.set(hash, node)
    return node
  }

  /** A content or a node of a segment, whole. */
  read({ head, frame }: FramePlace): Promise<Buffer> {
    return this.#source.frame(head, frame)
  }

  /** Reads frames of one segment; the first that is asked for brings all of it into memory. */
  openWhole(ref: SegmentRef): (frame: Frame) => Promise<Buffer> {
    const { context, keyring } = this.#options
    let whole: ReturnType<SegmentSource['whole']> | undefined
    return async (frame) => {
      whole ??= this.#source.whole(ref)
      const { index, bytes } = await whole
      const stored = bytes.subarray(frame.offset, frame.offset + frame.length)
      return openFrame(index, frame, stored, context, keyring)
    }
  }

  /** The index of a segment. */
  index(ref: SegmentRef): Promise<SegmentIndex> {
    return this.#source.index(ref)
  }

  /** Sees to it that fronts find a content on the local disk. */
  async ensure(hash: BlobHash): Promise<void> {
    const { blobs, objects } = this.#options
    if (await blobs.isCached(hash)) return
    // Sent and published, and not moved before the process ended.
    if ((await blobs.bytesOf(hash)) !== undefined && (await this.find(hash))) {
      await blobs.settle([hash])
      if (await blobs.isCached(hash)) return
    }
    const place = objects.isRemote ? await this.find(hash) : undefined
    if (place?.kind !== 'frame' || place.head.ref.bytes > limits.store.wholeFetchBytes)
      return this.#shared(hash, () => this.#fetch(hash))
    await this.#fetchWhole(place.head.ref, undefined).catch(butDamage)
    // One that equals a node was left out; and of a damaged segment the rest may be had.
    if (!(await blobs.isCached(hash))) await this.#shared(hash, () => this.#fetch(hash))
  }

  /** The same for many, with few requests: segments that are wanted for a good part are fetched whole. */
  async ensureAll(files: AsyncIterable<Pick<TreeFile, 'hash'>>): Promise<void> {
    const { blobs, objects } = this.#options
    const lacking = new Set<BlobHash>()
    for await (const { hash } of files) if (!(await blobs.isCached(hash))) lacking.add(hash)
    const left = objects.isRemote ? await this.#fetchSegments(lacking) : lacking
    await forEachParallel(left, limits.store.fetches, (hash) => this.ensure(hash))
  }

  /**
   * Fetches segments whole of which nothing is known here yet, when they are at most `mostBytes` together: whoever wants
   * all of a site needs no second request for what is in them. Does nothing for a folder.
   */
  async fetchUnknown(mostBytes: number): Promise<void> {
    const unknown: SegmentRef[] = []
    for (const ref of this.#places.segments) if (await this.#source.isUnknown(ref)) unknown.push(ref)
    if (unknown.reduce((sum, { bytes }) => sum + bytes, 0) > mostBytes) return
    await forEachParallel(unknown, limits.store.fetches, (ref) => this.#fetchWhole(ref, undefined))
  }

  /** Writes contents and nodes for good. */
  pack(input: PackInput): Promise<PackedObjects> {
    return packObjects({ ...this.#options, source: this.#source }, input)
  }

  /** Takes note that a segment is not needed any more. */
  forget(id: BlobHash): Promise<void> {
    return this.#source.forget(id)
  }

  /** One piece of work for all who want the same at one time. */
  #shared(key: BlobHash, work: () => Promise<void>): Promise<void> {
    const known = this.#underWay.get(key)
    if (known) return known
    const begun = this.#fetching.run(work).finally(() => this.#underWay.delete(key))
    this.#underWay.set(key, begun)
    return begun
  }

  #fetch(hash: BlobHash): Promise<void> {
    return this.#places.read(hash, async (place) => {
      if (place.kind === 'large') return fetchLarge(this.#options, place.ref)
      const content = await this.#source.frame(place.head, place.frame)
      await this.#options.blobs.accept(hash, once(content), place.frame.bytes)
    })
  }

  #fetchWhole(ref: SegmentRef, wanted: ReadonlySet<BlobHash> | undefined): Promise<void> {
    return this.#shared(ref.id, () => fetchWhole(this.#options, this.#source, ref, wanted))
  }

  /** Fetches segments whole that are wanted for a good part; answers what is still lacking. */
  async #fetchSegments(lacking: ReadonlySet<BlobHash>): Promise<Set<BlobHash>> {
    const left = new Set(lacking)
    const bySegment = new Map<SegmentRef, Frame[]>()
    for (const hash of lacking) {
      const place = await this.find(hash)
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
      await this.#fetchWhole(ref, wanted).catch(butDamage)
      for (const hash of wanted) if (await this.#options.blobs.isCached(hash)) left.delete(hash)
    }
    return left
  }
}

/** Leaves a damage to whoever asks for the content itself: there may be another place. */
function butDamage(error: unknown): void {
  if (!isDamage(error)) throw error
}
