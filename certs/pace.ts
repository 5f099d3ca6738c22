/** Work in the background that is in nobody's way: after a few steps it rests, however long it takes until all is done. */

import { limits } from '../core/limits.ts'
import type { Environment } from '../store/environment.ts'

/** The pace of such work. */
export interface Pace {
  /** One more step is done: rests if it is time to. Rejects with the signal's reason when that aborts. */
  step(): Promise<void>
}

/** A pace that rests for `limits.managed.restMs` after so many steps. */
export function createPace(env: Pick<Environment, 'sleep'>, steps: number, signal?: AbortSignal): Pace {
  let left = steps
  return {
    async step() {
      signal?.throwIfAborted()
      left -= 1
      if (left > 0) return
      await env.sleep(limits.managed.restMs, signal)
      left = steps
    },
  }
}
