/**
 * What control does from time to time: keys that follow one another, versions that could not be put live, and certificates
 * that have ended.
 */

import type { Logger } from 'pino'
import type { Leaves } from '../certs/leaves.ts'
import { limits } from '../core/limits.ts'
import type { Activator } from './activate.ts'
import type { FrontLinks } from './fronts.ts'
import type { Keys } from './keys.ts'

/** What the timers act on. */
export interface TimersOptions {
  readonly keys: Pick<Keys, 'rotateIfDue' | 'current'>
  readonly leaves: Pick<Leaves, 'sweep'>
  readonly activator: Pick<Activator, 'retryFailed'>
  readonly fronts: Pick<FrontLinks, 'push'>
  readonly log: Logger
}

/** Starts the timers. They keep no process alive. */
export function startTimers({ keys, leaves, activator, fronts, log }: TimersOptions): Disposable {
  const every = (intervalMs: number, what: string, work: () => Promise<unknown>) => {
    const run = () => void work().catch((error: unknown) => log.error({ err: error }, `${what} failed`))
    return setInterval(run, intervalMs).unref()
  }
  const timers = [
    every(limits.control.rotateEveryMs, 'rotating keys', async () => {
      if (await keys.rotateIfDue()) await fronts.push({ kind: 'keys', keys: keys.current() })
    }),
    every(limits.control.recompileEveryMs, 'putting versions live', () => activator.retryFailed()),
    every(limits.control.leafSweepEveryMs, 'removing certificates that have ended', () => leaves.sweep()),
  ]
  return {
    [Symbol.dispose]() {
      for (const timer of timers) clearInterval(timer)
    },
  }
}
