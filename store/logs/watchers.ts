/** The watchers of one store together: how many there are, and when the idle ones tell how far the store has come. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Environment } from '../environment.ts'

/** The watchers of one store. */
export interface Watchers {
  /** Counts a watcher in; the result counts it out, once. Throws `ERR_TOO_MANY`. */
  enter(): () => void
  /** Has all that wait woken in `limits.store.progressMs`, if there are any. */
  tick(): void
  /** Ends the wait for that. */
  stop(): void
}

/** Makes the watchers of one store; `wakeAll` wakes them. */
export function createWatchers(env: Pick<Environment, 'sleep'>, wakeAll: () => void): Watchers {
  const stopping = new AbortController()
  let count = 0
  let ticking = false

  async function wakeLater(): Promise<void> {
    try {
      await env.sleep(limits.store.progressMs, stopping.signal)
    } catch (error) {
      if (stopping.signal.aborted) return
      throw error
    } finally {
      ticking = false
    }
    wakeAll()
  }

  return {
    enter() {
      if (count >= limits.store.watchers)
        throw new GroveError('ERR_TOO_MANY', `more than ${limits.store.watchers} watchers`)
      count += 1
      let isIn = true
      return () => {
        if (isIn) count -= 1
        isIn = false
      }
    },
    tick() {
      if (ticking || count === 0 || stopping.signal.aborted) return
      ticking = true
      void wakeLater()
    },
    stop: () => stopping.abort(),
  }
}
