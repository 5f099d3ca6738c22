/** Where the contents and nodes of one site lie, and reading from the first place that is not damaged. */

import type { BlobHash } from '../../core/names.ts'
import type { Environment } from '../environment.ts'
import type { BareRef, Frame, SegmentHead, SegmentRef } from '../segments/segment.ts'
import { missingContents } from './content-file.ts'
import { createDamages, type Damages, isDamage } from './damages.ts'
import type { SegmentMemory } from './segment-memory.ts'
import type { SegmentSource } from './segment-source.ts'

/** Where something lies in a segment. */
export interface FramePlace {
  readonly kind: 'frame'
  readonly head: SegmentHead
  readonly frame: Frame
}

/** Where a content or a node lies. */
export type Place = FramePlace | { readonly kind: 'large'; readonly ref: BareRef }

/** The objects of one site, and what was found damaged in them. */
export class Places {
  readonly #source: SegmentSource
  readonly #indexes: SegmentMemory['indexes']
  readonly #damages: Damages
  #segments: readonly SegmentRef[] = []
  /** Keyed by the hash of the content. */
  #large = new Map<BlobHash, BareRef>()

  constructor(env: Environment, memory: SegmentMemory, source: SegmentSource) {
    this.#source = source
    this.#indexes = memory.indexes
    this.#damages = createDamages(env)
  }

  /** Oldest first. */
  get segments(): readonly SegmentRef[] {
    return this.#segments
  }

  /** Says which objects there are from now on. */
  use(segments: readonly SegmentRef[], large: readonly BareRef[]): void {
    this.#segments = segments
    this.#large = new Map(large.map((ref) => [ref.hash, ref]))
  }

  /** Whether something is a content that is an object by itself. */
  isLarge(hash: BlobHash): boolean {
    return this.#large.has(hash)
  }

  /** Whether something of an object could not be read lately, and has not been read since. */
  isDamaged(object: BlobHash): boolean {
    return this.#damages.isDamaged(object)
  }

  /**
   * Where something lies, or undefined. Reads indexes. What was found damaged just now counts as not there; not so in a
   * last try, which throws when an index cannot be read that might have told.
   */
  async find(hash: BlobHash, isLastTry = false): Promise<Place | undefined> {
    const isShunned = (object: BlobHash, content?: BlobHash) => !isLastTry && this.#damages.isFresh(object, content)
    const ref = this.#large.get(hash)
    if (ref && !isShunned(ref.id)) return { kind: 'large', ref }
    const present = this.#segments
    for (const { id } of present) {
      const index = this.#indexes.peek(id)?.index
      const frame = index?.frames.get(hash)
      if (!index || !frame || isShunned(id, hash)) continue
      this.#indexes.get(id)
      return { kind: 'frame', head: index, frame }
    }
    let damage: unknown
    // The newest first: there lies what is asked for most.
    for (const segment of present.toReversed()) {
      const { id } = segment
      if (this.#indexes.peek(id)?.isWhole || isShunned(id)) continue
      try {
        const index = await this.#source.index(segment)
        this.#damages.clear(id)
        const frame = index.frames.get(hash)
        if (frame && !isShunned(id, hash)) return { kind: 'frame', head: index, frame }
      } catch (error) {
        if (!isDamage(error)) throw error
        this.#damages.note(id)
        damage = error
      }
    }
    if (isLastTry && damage !== undefined) throw damage
    return undefined
  }

  /**
   * Reads something from the first place that is not damaged; when there is none, from a damaged one, which may be well
   * again. Throws `ERR_BLOB_MISSING`, `ERR_BLOB_CORRUPT`, and what else `read` throws.
   */
  async read<T>(hash: BlobHash, read: (place: Place) => Promise<T>): Promise<T> {
    let damage: unknown
    for (let place = await this.find(hash); place; place = await this.find(hash)) {
      try {
        return await read(place)
      } catch (error) {
        if (!isDamage(error)) throw error
        damage = error
        this.#damages.note(...partsOf(place, hash))
      }
    }
    if (damage !== undefined) throw damage
    const place = await this.find(hash, true)
    if (!place) throw missingContents([hash])
    const value = await read(place)
    this.#damages.clear(...partsOf(place, hash))
    return value
  }
}

function partsOf(place: Place, hash: BlobHash): [object: BlobHash, content?: BlobHash] {
  return place.kind === 'large' ? [place.ref.id] : [place.head.ref.id, hash]
}
