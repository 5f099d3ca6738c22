/** Telling whether whoever has a lease is still there, by whether its signs of life change. */

import { limits } from '../core/limits.ts'
import { setNewest } from '../core/newest.ts'
import type { Environment } from '../store/environment.ts'
import type { Heartbeat } from './heartbeat.ts'
import { decodeLease } from './lease-content.ts'
import type { FoundRecord } from './vault-reader.ts'

/** The leases of others. */
export interface LeaseWatch {
  /**
   * Whether a lease that this process does not hold can be taken: it was given back, or its holder has shown no new sign
   * of life between calls of this over `limits.cert.leaseDeadMs`.
   */
  isToBeHad(key: string, found: FoundRecord): Promise<boolean>
  /** The lease is this process's own now. */
  forget(key: string): void
}

/** A lease of another one as it was seen, and since when it was so. */
interface Sighting {
  readonly number: number
  readonly stamp: string
  readonly sinceMs: number
}

/** A watch that has seen nothing yet. */
export function createLeaseWatch(env: Environment, heartbeat: Heartbeat): LeaseWatch {
  /** Keyed by key, newest last. */
  const seen = new Map<string, Sighting>()
  return {
    async isToBeHad(key, { number, text, fault }) {
      // Who wrote a damaged one may live: its number is watched like any other.
      const content = fault === undefined ? decodeLease(text) : undefined
      if (content?.isFree || content?.holder === heartbeat.self) return true
      const stamp = await heartbeat.stampOf(content?.holder ?? '')
      const before = seen.get(key)
      if (before?.number === number && before.stamp === stamp)
        return env.monotonic() - before.sinceMs >= limits.cert.leaseDeadMs
      setNewest(seen, key, { number, stamp, sinceMs: env.monotonic() }, limits.cert.leases)
      return false
    },
    forget: (key) => void seen.delete(key),
  }
}
