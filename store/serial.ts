/** Runs tasks one after the other, in the order of their calls. */

import { GroveError } from '../core/errors.ts'

/** A line of tasks. A task that fails does not hold up the next. Rejects with `ERR_TOO_MANY` when `maxWaiting` wait. */
export function createSerial(maxWaiting: number): <T>(task: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  return async (task) => {
    if (waiting >= maxWaiting)
      throw new GroveError('ERR_TOO_MANY', `more than ${maxWaiting} changes wait for each other`)
    waiting += 1
    const turn = last.then(task)
    last = turn
      .catch(() => {})
      .finally(() => {
        waiting -= 1
      })
    return turn
  }
}
