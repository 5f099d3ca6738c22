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
  /** Up to here it uses its own. */
  #freeMs: number

  constructor(allowanceMs: number, bucket: CpuBucket) {
    this.#allowanceMs = allowanceMs
    this.#freeMs = allowanceMs
    this.#bucket = bucket
  }

  /** It gets its allowance anew. */
  renew(): void {
    this.#freeMs = this.usedMs + this.#allowanceMs
  }

  /** What it may still use. */
  leftMs(nowMs: number): number {
    return Math.max(0, this.#freeMs - this.usedMs) + Math.max(0, this.#bucket.levelMs(nowMs))
  }

  charge(ms: number, nowMs: number): void {
    const own = Math.min(ms, Math.max(0, this.#freeMs - this.usedMs))
    this.usedMs += ms
    if (ms > own) this.#bucket.take(ms - own, nowMs)
  }
}

/** How much slower than its CPU a thread gets on, because others want the machine too. */
export interface Pace {
  /** 1 where the thread has the CPU to itself, up to {@link slowest}. */
  readonly factor: number
  /** Takes what an entry took by the clock and in CPU. */
  note(wallMs: number, cpuMs: number): void
}

/** No entry gets more than so many times its limit, whatever the machine does. */
export const slowest = 4
/** Entries that are shorter say nothing. */
const leastWallMs = 5
const weight = 0.3

/**
 * Makes a pace. Limits of entries are by the clock, because an isolate can only be stopped by the clock; so they are made
 * longer while the machine is busy, or a busy neighbour would cost a site its answers.
 */
export function createPace(): Pace {
  let factor = 1
  return {
    get factor() {
      return factor
    },
    note(wallMs, cpuMs) {
      if (wallMs < leastWallMs) return
      const seen = Math.min(slowest, Math.max(1, wallMs / Math.max(cpuMs, 0.1)))
      factor += (seen - factor) * weight
    },
  }
}
