/** What control keeps in memory of the segments of all sites: nodes of trees, and where contents lie. */

import { limits } from '../../core/limits.ts'
import type { SegmentIndex } from '../segments/segment.ts'
import { WeightedLru } from './weighted-lru.ts'

/** An index, or those of its frames that a root told. */
export interface KnownIndex {
  readonly index: SegmentIndex
  readonly isWhole: boolean
}

/** Nodes keyed by their hash, indexes by their segment's. Both can be read again at any time. */
export interface SegmentMemory {
  readonly nodes: WeightedLru<Uint8Array>
  readonly indexes: WeightedLru<KnownIndex>
}

/** A memory of nothing, within `limits.store.nodesBytes` and `limits.store.indexFrames`. */
export function createSegmentMemory(): SegmentMemory {
  return {
    nodes: new WeightedLru(limits.store.nodesBytes, (node) => node.length + 100),
    indexes: new WeightedLru(limits.store.indexFrames, ({ index }) => index.frames.size + 1),
  }
}
