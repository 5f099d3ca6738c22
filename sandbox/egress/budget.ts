/** What one visitor's request may fetch: so often, and so much at one time. */

import { GroveError } from '../../core/errors.ts'
import { createGate } from './gate.ts'

/** A request's budget of subrequests. */
export interface Budget {
  /** Takes one of the subrequests; a redirect that is followed takes one more. Throws `ERR_TOO_MANY` beyond the last. */
  take(): void
  /**
   * Waits for a place among those that are waiting for an answer, and resolves with how to give it back. Rejects with the
   * signal's reason.
   *
   * A place is held until the answer's head is there, not until its body was read: code that asks for ten things and
   * then reads them in turn would wait for itself otherwise. Bodies are bounded by the subrequests, and for a site as a
   * whole by its egress.
   */
  enter(signal: AbortSignal): Promise<() => void>
  /** Subrequests that were taken. */
  readonly used: number
}

/** A budget of which nothing was used. */
export function createBudget(subrequests: number, atOneTime: number): Budget {
  const gate = createGate(atOneTime, subrequests, 'subrequests of one request')
  let used = 0
  return {
    take() {
      if (used >= subrequests)
        throw new GroveError('ERR_TOO_MANY', `more than ${subrequests} subrequests of one request`, {
          details: { limit: 'subrequests', most: subrequests },
        })
      used += 1
    },
    enter: (signal) => gate.enter(signal),
    get used() {
      return used
    },
  }
}
