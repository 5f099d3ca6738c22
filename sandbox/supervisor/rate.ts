/** A bound on how often something may happen: so many at once, then so many per second. */

/** Counts what happens. */
export interface Rate {
  /** Counts one. Answers false if there were too many. */
  take(nowMs: number): boolean
}

/** Nothing has happened yet. */
export function createRate(burst: number, perSecond: number): Rate {
  let left = burst
  let countedAtMs: number | undefined
  return {
    take(nowMs) {
      left = Math.min(burst, left + ((nowMs - (countedAtMs ?? nowMs)) / 1_000) * perSecond)
      countedAtMs = nowMs
      if (left < 1) return false
      left -= 1
      return true
    },
  }
}
