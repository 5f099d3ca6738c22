/**
 * One timer that looks at everything that has a limit of time, in place of a timer for each request. Time is monotonic:
 * a clock that jumps ends nothing.
 */

import { Roster } from '../core/roster.ts'
import type { Watch, Watched } from './transport.ts'

/** A watch that looks every `intervalMs`. It does not keep the process alive. */
export function createWatch(intervalMs: number): Watch {
  const all = new Roster<Watched>()
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    // A process that was stopped for an hour must not take the hour for its clients' slowness.
    const elapsedMs = Math.min(now - last, intervalMs * 2)
    last = now
    for (const watched of all) watched.tick(elapsedMs)
  }, intervalMs).unref()
  return {
    add: (watched) => all.add(watched),
    close: () => clearInterval(timer),
  }
}

/** How fast a client gave or took bytes. Cut it when {@link Pace.tooSlow} says so. */
export interface Pace {
  idleMs: number
  waitedMs: number
  bytes: number
}

/** A pace of someone who has done nothing yet. */
export function newPace(): Pace {
  return { idleMs: 0, waitedMs: 0, bytes: 0 }
}

/**
 * Whether a client that we wait for is too slow: nothing for `idleMs`, or, over all the time that we waited, less than
 * `minBytesPerSecond` beyond `idleMs`. `bytes` is what it has given or taken so far. Time in which we did not wait for
 * it is not to be told.
 */
export function tooSlow(
  pace: Pace,
  step: { readonly bytes: number; readonly elapsedMs: number },
  limit: { readonly idleMs: number; readonly minBytesPerSecond: number },
): boolean {
  pace.idleMs = step.bytes === pace.bytes ? pace.idleMs + step.elapsedMs : 0
  pace.waitedMs += step.elapsedMs
  pace.bytes = step.bytes
  return pace.idleMs > limit.idleMs || pace.waitedMs > limit.idleMs + (step.bytes * 1000) / limit.minBytesPerSecond
}

/** Whether one more event is within bounds; call it once per event. */
export type Bucket = () => boolean

/** A bucket that holds `burst` events and leaks `perSecond`. */
export function createBucket(
  { burst, perSecond }: { readonly burst: number; readonly perSecond: number },
  now: () => number = () => performance.now(),
): Bucket {
  let level = 0
  let last = now()
  return () => {
    const time = now()
    level = Math.max(0, level - ((time - last) * perSecond) / 1000) + 1
    last = time
    return level <= burst
  }
}
