/** Giving signs of life at the right times, as long as they are needed. */

import { limits } from '../core/limits.ts'
import type { LeasesOptions } from './lease-options.ts'

/** What depends on the signs. */
export interface LifeOptions extends Pick<LeasesOptions, 'env' | 'heartbeat' | 'log'> {
  /** Whether there is anything to keep alive. */
  readonly isNeeded: () => boolean
  /** Called again and again; sees whether none came through for too long. */
  readonly look: () => void
  /** Called after each sign that came through. */
  readonly shown: () => Promise<void>
}

/** Signs of life of one process. */
export interface LifeSigns {
  /** Begins, if it has not; ends by itself when they are not needed any more. */
  start(): void
  end(): void
}

/** Signs that are not given yet. */
export function createLifeSigns({ env, heartbeat, log, isNeeded, look, shown }: LifeOptions): LifeSigns {
  const end = new AbortController()
  let isRunning = false
  let isShowing = false

  const show = async () => {
    isShowing = true
    try {
      await heartbeat.beat()
      await shown()
    } catch (error) {
      log.warn({ err: error }, 'a sign of life for leases did not come through')
    } finally {
      isShowing = false
    }
  }
  const run = async () => {
    isRunning = true
    while (isNeeded() && !end.signal.aborted) {
      await env.sleep(limits.cert.leaseTickMs, end.signal).catch(() => {}) // The end is seen above.
      look()
      // Not waited for: a place that hangs must not keep us from seeing that it does.
      if (heartbeat.ageMs >= limits.cert.leaseBeatMs && !isShowing) void show()
    }
    isRunning = false
  }
  return {
    start() {
      if (!isRunning && !end.signal.aborted) void run()
    },
    end: () => end.abort(),
  }
}
