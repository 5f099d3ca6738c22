/** One piece of work at a time for each content: what looks for a file and what removes it cannot meet. */

import type { BlobHash } from '../../core/names.ts'

/** Runs work on contents, in the order of the calls for each. Work must not call for its own content again. */
export interface HashLocks {
  run<T>(hash: BlobHash, work: () => Promise<T>): Promise<T>
}

/** Locks that nobody holds. */
export function createHashLocks(): HashLocks {
  /** Keyed by hash: when the last one in line is done. As large as what is under way. */
  const lines = new Map<BlobHash, Promise<unknown>>()
  return {
    async run(hash, work) {
      const before = lines.get(hash)
      const done = before ? before.then(work, work) : work()
      lines.set(hash, done)
      try {
        return await done
      } finally {
        if (lines.get(hash) === done) lines.delete(hash)
      }
    },
  }
}
