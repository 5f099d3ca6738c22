/** A turnstile: so many pieces of work at once, so many more in line, and nobody else. */

import { GroveError } from './errors.ts'

/** How much a turnstile lets in. */
export interface TurnstileOptions {
  /** Most pieces of work under way at once. At least 1. @default 1, so that one runs after the other */
  readonly parallel?: number
  /** Most pieces of work under way and in line together. */
  readonly most: number
  /** What there would be too many of, for the error of whoever finds the line full: `changes of one site`. */
  readonly what: string
}

/** Runs work with a bound on how much of it is under way and how much waits. */
export interface Turnstile {
  /**
   * Runs the work when it is its turn; turns come in the order of the calls, and work that fails holds up nobody.
   * Rejects with `ERR_TOO_MANY` at once when the line is full, and with the signal's reason when it aborts before the
   * turn has come. Work must not wait for a turn at its own turnstile.
   */
  run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T>
  /** Pieces of work under way and in line. */
  readonly size: number
}

/** A turnstile with nobody in it. */
export function createTurnstile({ parallel = 1, most, what }: TurnstileOptions): Turnstile {
  const line: (() => void)[] = []
  let size = 0
  return {
    async run(work, signal) {
      if (size >= most) throw new GroveError('ERR_TOO_MANY', `more than ${most} ${what} at once`)
      size += 1
      try {
        // Whoever leaves lets the first in line in, so nobody who comes later can pass.
        if (size > parallel) await new Promise<void>((enter) => line.push(enter))
        signal?.throwIfAborted()
        return await work()
      } finally {
        size -= 1
        line.shift()?.()
      }
    },
    get size() {
      return size
    },
  }
}
