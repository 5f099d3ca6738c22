/** Budgets: so many things at once, then so many an hour, for each of many; in a table that cannot grow without end. */

import { setNewest } from '../core/newest.ts'

/** How much a budget gives. */
export interface BudgetRate {
  /** Things at once, when nothing was taken for a while. At least 1. */
  readonly burst: number
  readonly perHour: number
  /**
   * What there is at the start, of whoever was not seen since: nobody knows what the process before has given away. At
   * least 1. @default burst
   */
  readonly atStart?: number
}

/** Budgets, keyed by who has them. */
export interface Budgets {
  /** Whether something is left. */
  has(key: string): boolean
  /** Takes one, and answers whether there was one. */
  take(key: string): boolean
}

interface Budget {
  readonly left: number
  readonly atMs: number
}

const hourMs = 3_600_000

/**
 * Budgets from which nothing was taken. `monotonic`: a clock in milliseconds. Of more than `most`, those that were used
 * longest ago are forgotten, which fills them: a flood of made-up keys can get around these budgets, and needs one above
 * them all.
 */
export function createBudgets({ burst, perHour, atStart }: BudgetRate, most: number, monotonic: () => number): Budgets {
  /** Keyed by who, least recently used first. */
  const budgets = new Map<string, Budget>()
  const unseen: Budget = { left: atStart ?? burst, atMs: monotonic() }

  function left(key: string): number {
    const budget = budgets.get(key) ?? unseen
    return Math.min(burst, budget.left + ((monotonic() - budget.atMs) / hourMs) * perHour)
  }

  return {
    has: (key) => left(key) >= 1,
    take(key) {
      const now = left(key)
      if (now < 1) return false
      setNewest(budgets, key, { left: now - 1, atMs: monotonic() }, most)
      return true
    },
  }
}
