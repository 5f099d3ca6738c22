/** Trying again: how often, how long, and how long to wait in between. */

import type { Environment } from '../environment.ts'
import type { ObjectsBounds } from './s3-options.ts'

/** The tries of one request. */
export interface Tries {
  /** A try failed in a way that is worth another: resolves when it is time, or answers false when there were enough. */
  again(): Promise<boolean>
  /** So many bytes came; enough of them, and the count begins anew. */
  came(bytes: number): void
}

/**
 * Tries with growing waits. Each wait is a random one between half and all of what it could be, so that many who were
 * refused together do not come back together.
 */
export function createTries(env: Environment, bounds: ObjectsBounds): Tries {
  let failed = 0
  let bytes = 0
  let beganMs = env.monotonic()
  return {
    came(count) {
      bytes += count
    },
    async again() {
      if (bytes >= bounds.resumeBytes) {
        failed = 0
        beganMs = env.monotonic()
      }
      bytes = 0
      failed += 1
      if (failed >= bounds.tries || env.monotonic() - beganMs >= bounds.retryingMs) return false
      const mostMs = Math.min(bounds.longestRetryMs, bounds.firstRetryMs * 2 ** (failed - 1))
      const random = env.randomBytes(4).readUInt32BE() / 2 ** 32
      await env.sleep(mostMs / 2 + (mostMs / 2) * random)
      return true
    },
  }
}
