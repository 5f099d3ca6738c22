/** How long one request to a bucket is waited for: each pause is bounded, and all of them together. */

import type { Environment } from '../environment.ts'

/** The waiting of one request. Only what is said to be awaited counts, so a slow reader of an answer costs nothing. */
export interface Patience {
  /** Aborts when the patience is over, or was ended. */
  readonly signal: AbortSignal
  /** Why it was over before the end; undefined as long as it is not. */
  readonly failure: Error | undefined
  /** Something is awaited from now on, for at most so long; whatever was awaited before has come. */
  expect(ms: number): void
  /** There is more to wait for in all than was known before. */
  extend(ms: number): void
  /** Nothing is awaited for the moment. */
  rest(): void
  /** Gives up for a reason. */
  giveUp(reason: Error): void
  /** Frees the timer. With `abort`, what is still under way ends too. */
  end(how?: 'abort'): void
}

/** Begins to wait for nothing yet. `wholeMs`: most time that may be spent waiting. */
export function createPatience(env: Environment, wholeMs: number): Patience {
  const over = new AbortController()
  let timer: AbortController | undefined
  let leftMs = wholeMs
  let sinceMs = 0
  let failure: Error | undefined

  function giveUp(reason: Error): void {
    failure ??= reason
    over.abort(reason)
  }
  function rest(): void {
    if (!timer) return
    timer.abort()
    timer = undefined
    leftMs -= env.monotonic() - sinceMs
  }
  return {
    signal: over.signal,
    rest,
    expect(ms) {
      rest()
      const waitMs = Math.max(0, Math.min(ms, leftMs))
      const mine = new AbortController()
      timer = mine
      sinceMs = env.monotonic()
      env.sleep(waitMs, mine.signal).then(
        () => giveUp(tooSlow(waitMs)),
        () => {}, // What was awaited came.
      )
    },
    extend(ms) {
      leftMs += ms
    },
    giveUp,
    get failure() {
      return failure
    },
    end(how) {
      rest()
      if (how === 'abort') over.abort(new Error('it is not needed any more'))
    },
  }
}

function tooSlow(ms: number): Error {
  return Object.assign(new Error(`nothing came for ${Math.round(ms)} ms`), { code: 'ETIMEDOUT' })
}
