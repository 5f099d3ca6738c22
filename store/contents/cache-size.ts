/** Has the cache cut when it has grown too large, one eviction at a time. */

import { type Evicted, type EvictionOptions, evict } from './eviction.ts'

/** The size of a cache. */
export interface CacheSize {
  /** Notes that the cache has grown; evicts in the background when that may be too much. */
  grown(bytes: number): void
  /** Notes that contents which had to stay may go now; evicts in the background what could not go before. */
  released(): void
  /** Evicts now, if there is too much. */
  evict(): Promise<Evicted>
  /** Stops what is under way. */
  close(): Promise<void>
}

/** The size of a cache, of which nobody knows yet how much is in it: the first time that it grows, it is counted. */
export function createCacheSize(options: EvictionOptions, onFailure: (error: unknown) => void): CacheSize {
  const ended = new AbortController()
  let cachedBytes: number | undefined
  let evicting: Promise<Evicted> | undefined
  /** What came since the eviction that is under way began, which may have seen it or not. */
  let grownBytes = 0
  /** Whether something changed during the eviction that is under way, so that another one may find more to do. */
  let isStale = false

  function evictNow(): Promise<Evicted> {
    evicting ??= evict(options, ended.signal)
      .then(
        (done) => {
          cachedBytes = done.keptBytes + grownBytes
          return done
        },
        (error: unknown) => {
          // Nobody knows how much is left, so the next change has it counted.
          cachedBytes = Number.POSITIVE_INFINITY
          throw error
        },
      )
      .finally(() => {
        evicting = undefined
        grownBytes = 0
        if (isStale) changed()
      })
    return evicting
  }

  function changed(): void {
    isStale = evicting !== undefined
    const isKnownToFit = cachedBytes !== undefined && cachedBytes <= options.maxBytes
    if (evicting || ended.signal.aborted || isKnownToFit) return
    evictNow().catch(onFailure)
  }

  return {
    grown(bytes) {
      if (evicting) grownBytes += bytes
      else if (cachedBytes !== undefined) cachedBytes += bytes
      changed()
    },
    released() {
      // Of a cache that nobody has counted yet, nothing could not go.
      if (evicting || cachedBytes !== undefined) changed()
    },
    async evict() {
      // One that is under way may not have seen what came since it began.
      while (evicting) await evicting.catch(() => {}) // Told to who asked for it.
      return evictNow()
    },
    async close() {
      ended.abort()
      await evicting?.catch(() => {}) // Told to `onFailure`, or to who asked.
    },
  }
}
