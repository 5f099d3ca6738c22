/** Turns: work that is done one after the other for each key, in the order in which it was asked for. */

import { limits } from '../core/limits.ts'
import { createTurnstile, type Turnstile } from '../core/turnstile.ts'

/** Lines of work, one for each key. A line without work takes no memory. */
export class Turns {
  readonly #lines = new Map<string, Turnstile>()

  /**
   * Runs `work` after everything that was asked for under the same key has ended, and resolves with its result.
   * Throws `ERR_TOO_MANY` when `limits.control.turns` are there already. Work must not ask for a turn of its own key.
   */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(key) ?? createTurnstile({ most: limits.control.turns, what: `operations on "${key}"` })
    this.#lines.set(key, line)
    try {
      return await line.run(work)
    } finally {
      if (line.size === 0 && this.#lines.get(key) === line) this.#lines.delete(key)
    }
  }
}
