/** A turnstile: so many at once, so many in line, and nobody else. */

import { GroveError } from '../../core/errors.ts'

/** Runs expensive work with a bound on how much of it is under way and how much waits. */
export interface Turnstile {
  /** Runs the work when it is its turn. Throws `ERR_TOO_MANY` at once when the line is full. */
  run<T>(work: () => Promise<T>): Promise<T>
}

/** How much a turnstile lets in. */
export interface TurnstileOptions {
  /** Most pieces of work under way at once. At least 1. */
  readonly parallel: number
  /** Most pieces of work in line. */
  readonly waiting: number
}

/** A turnstile with nobody in it. */
export function createTurnstile({ parallel, waiting }: TurnstileOptions): Turnstile {
  const line: (() => void)[] = []
  let running = 0
  return {
    async run(work) {
      if (running >= parallel) {
        if (line.length >= waiting) throw new GroveError('ERR_TOO_MANY', `${waiting} are in line already`)
        // Whoever leaves hands its place over, so `running` stays as it is.
        await new Promise<void>((enter) => line.push(enter))
      } else {
        running += 1
      }
      try {
        return await work()
      } finally {
        const next = line.shift()
        if (next) next()
        else running -= 1
      }
    },
  }
}
