/** Work that must not take for ever, and the waits between tries of work that failed. */

import { setTimeout as sleep } from 'node:timers/promises'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'

/** The result of work, or `ERR_TIMEOUT`: `<what> within <n> ms`. The work itself is not stopped. */
export async function within<T>(work: Promise<T>, timeoutMs: number, what: string = 'not done'): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new GroveError('ERR_TIMEOUT', `${what} within ${timeoutMs} ms`)), timeoutMs)
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves when all work has ended, or after `timeoutMs`. */
export async function waitAtMost(timeoutMs: number, work: Iterable<Promise<unknown>>): Promise<void> {
  const waited = new AbortController()
  const late = sleep(timeoutMs, undefined, { signal: waited.signal }).catch(() => undefined)
  await Promise.race([Promise.allSettled(work), late])
  waited.abort()
}

/** How long a delivery that has failed so often in a row waits for its next try, in milliseconds: longer each time. */
export function retryWaitMs(failures: number): number {
  const { firstRetryMs, longestRetryMs } = limits.outbox
  const ceilingMs = Math.min(longestRetryMs, firstRetryMs * 2 ** Math.min(failures - 1, 20))
  return Math.round(ceilingMs * (0.5 + Math.random() / 2))
}
