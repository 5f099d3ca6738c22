/** Contents that somebody needs on the local disk just now. */

import type { BlobHash } from '../../core/names.ts'

/** Who holds what. */
export interface Holds {
  has(hash: BlobHash): boolean
  /** Holds contents until the answer is called; fine when that is called twice. */
  hold(hashes: Iterable<BlobHash>): () => void
}

/** Holds of nothing. */
export function createHolds(): Holds {
  /** Keyed by hash: how many hold it. */
  const held = new Map<BlobHash, number>()
  return {
    has: (hash) => held.has(hash),
    hold(hashes) {
      const those = [...hashes]
      for (const hash of those) held.set(hash, (held.get(hash) ?? 0) + 1)
      return () => {
        for (const hash of those.splice(0)) {
          const left = (held.get(hash) ?? 1) - 1
          if (left > 0) held.set(hash, left)
          else held.delete(hash)
        }
      }
    },
  }
}
