/** Has the cache cut when it has grown too large, one eviction at a time. */

import { type Evicted, type EvictionOptions, evict } from './eviction.ts'

/** The size of a cache. */
export interface CacheSize {
  /** Notes that the cache has grown; evicts in the background when that may be too much. */
  grown(bytes: number): void
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

  function evictNow(): Promise<Evicted> {
    evicting ??= evict(options, ended.signal)
      .then((done) => {
        cachedBytes = done.keptBytes
        return done
      })
      .finally(() => {
        evicting = undefined
      })
    return evicting
  }

  return {
    grown(bytes) {
      if (cachedBytes !== undefined) cachedBytes += bytes
      const isKnownToFit = cachedBytes !== undefined && cachedBytes <= options.maxBytes
      if (evicting || ended.signal.aborted || isKnownToFit) return
      evictNow().catch(onFailure)
    },
    evict: evictNow,
    async close() {
      ended.abort()
      await evicting?.catch(() => {}) // Told to `onFailure`, or to who asked.
    },
  }
}
