/**
 * Wakes those who wait for a log to grow. It carries no entries: a watcher that is woken reads on from its cursor, so
 * a slow one costs no more memory than a fast one, and none can miss or see twice what another saw once.
 */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

/** The watchers of one store. */
export interface Watchers {
  /** Counts a watcher in; the result counts it out. Throws `ERR_TOO_MANY`. */
  enter(): () => void
  /** Resolves at the next wake of the log, or when the signal aborts. The wait begins with the call, not later. */
  wait(logId: number, signal: AbortSignal): Promise<void>
  wake(logId: number): void
  wakeAll(): void
}

/** Makes the watchers of one store. */
export function createWatchers(): Watchers {
  const waiting = new Map<number, Set<() => void>>()
  let count = 0

  function wake(logId: number): void {
    const wakers = waiting.get(logId)
    waiting.delete(logId)
    for (const resolve of wakers ?? []) resolve()
  }

  return {
    enter() {
      if (count >= limits.store.watchers)
        throw new GroveError('ERR_TOO_MANY', `more than ${limits.store.watchers} watchers`)
      count += 1
      return () => {
        count -= 1
      }
    },
    async wait(logId, signal) {
      if (signal.aborted) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const wakers = waiting.get(logId) ?? new Set()
      const stop = () => resolve()
      waiting.set(logId, wakers.add(stop))
      signal.addEventListener('abort', stop)
      await promise
      signal.removeEventListener('abort', stop)
      wakers.delete(stop)
      if (wakers.size === 0 && waiting.get(logId) === wakers) waiting.delete(logId)
    },
    wake,
    wakeAll() {
      for (const logId of [...waiting.keys()]) wake(logId)
    },
  }
}
