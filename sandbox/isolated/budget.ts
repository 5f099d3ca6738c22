/**
 * CPU of requests. Each has an allowance of its own; what it needs beyond that it draws from the bucket of its site, which
 * fills up slowly. So a page that now and then takes long is served, and one that always does is not.
 */

/** The CPU that a site has saved up. */
export interface CpuBucket {
  /** What is in it, in ms; below zero when more was used than was there. */
  levelMs(nowMs: number): number
  take(ms: number, nowMs: number): void
}

/** Makes a full bucket. Times are those of one clock that does not go back. */
export function createCpuBucket(capacityMs: number, refillMsPerSecond: number, nowMs: number): CpuBucket {
  let level = capacityMs
  let filledAt = nowMs

  function fill(now: number): void {
    if (now <= filledAt) return
    level = Math.min(capacityMs, level + ((now - filledAt) / 1_000) * refillMsPerSecond)
    filledAt = now
  }

  return {
    levelMs(now) {
      fill(now)
      return level
    },
    take(ms, now) {
      fill(now)
      // A debt is bounded, so that a site is back after a while however hard it tried.
      level = Math.max(-capacityMs, level - ms)
    },
  }
}

/** What one request has used. */
export class CpuAccount {
  usedMs = 0
  /** When its next timer is due, by `Date.now()`; -1 for none. */
  timerDueMs = -1
  readonly #allowanceMs: number
  readonly #bucket: CpuBucket

  constructor(allowanceMs: number, bucket: CpuBucket) {
    this.#allowanceMs = allowanceMs
    this.#bucket = bucket
  }

  /** What it may still use. */
  leftMs(nowMs: number): number {
    return Math.max(0, this.#allowanceMs - this.usedMs) + Math.max(0, this.#bucket.levelMs(nowMs))
  }

  /** What it may use in all, from now on and so far. */
  boundMs(nowMs: number): number {
    return this.usedMs + this.leftMs(nowMs)
  }

  charge(ms: number, nowMs: number): void {
    const own = Math.min(ms, Math.max(0, this.#allowanceMs - this.usedMs))
    this.usedMs += ms
    if (ms > own) this.#bucket.take(ms - own, nowMs)
  }
}
