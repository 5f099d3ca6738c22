/** Budgets: so many at once, then so many an hour, for each address or account. */

import { limits } from '../../core/limits.ts'
import { setNewest } from '../../core/newest.ts'
import { problem } from './problem.ts'

/** One kind of budget. */
export interface Budget {
  readonly burst: number
  readonly perHour: number
}

/** The buckets of one kind of budget, by key. */
export interface Buckets {
  /** Takes one. Throws the problem `rateLimited` with Retry-After when there is none. */
  take(key: string): void
  /** Throws as {@link Buckets.take} does, and takes nothing. */
  check(key: string): void
}

/**
 * Full buckets. `what` is for the error: `new orders of this account`. Of very many keys the ones unused longest are
 * forgotten, which fills their buckets: who has so many addresses has so many budgets anyway.
 */
export function createBuckets({ burst, perHour }: Budget, what: string, monotonic: () => number): Buckets {
  const everyMs = 3_600_000 / perHour
  /** When a bucket will be full again, in milliseconds; keyed by whose it is. */
  const fullAtMs = new Map<string, number>()
  function check(key: string): number {
    const nowMs = monotonic()
    const nextMs = Math.max(nowMs, fullAtMs.get(key) ?? nowMs) + everyMs
    const waitMs = nextMs - nowMs - burst * everyMs
    if (waitMs > 0)
      throw problem('rateLimited', `too many ${what}`, {
        headers: { 'retry-after': String(Math.max(1, Math.ceil(waitMs / 1000))) },
      })
    return nextMs
  }
  return {
    take(key) {
      setNewest(fullAtMs, key, check(key), limits.acmeServer.buckets)
    },
    check(key) {
      check(key)
    },
  }
}
