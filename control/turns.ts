/** Turns: work that is done one after the other for each key, in the order in which it was asked for. */

import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'

interface Line {
  waiting: number
  last: Promise<unknown>
}

/** Lines of work, one for each key. A line without work takes no memory. */
export class Turns {
  readonly #lines = new Map<string, Line>()

  /**
   * Runs `work` after everything that was asked for under the same key has ended, and resolves with its result.
   * Throws `ERR_TOO_MANY` when more than `limits.control.turns` wait. Work must not ask for a turn of its own key.
   */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(key) ?? { waiting: 0, last: Promise.resolve() }
    if (line.waiting >= limits.control.turns)
      throw new GroveError('ERR_TOO_MANY', `more than ${limits.control.turns} operations wait for "${key}"`)
    line.waiting += 1
    this.#lines.set(key, line)
    const turn = line.last.then(work)
    line.last = turn.catch(() => undefined) // Whoever asked gets the error; the next in line is not concerned.
    try {
      return await turn
    } finally {
      line.waiting -= 1
      if (line.waiting === 0) this.#lines.delete(key)
    }
  }
}
