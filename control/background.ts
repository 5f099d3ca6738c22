/** Work of control that nobody waits for but its end. */

import type { Logger } from 'pino'

/** What goes on in the background. */
export class Background {
  readonly #log: Logger
  readonly #ended: AbortSignal
  readonly #running = new Set<Promise<unknown>>()

  /** After `ended` has aborted, work that fails is no news. */
  constructor(log: Logger, ended: AbortSignal) {
    this.#log = log
    this.#ended = ended
  }

  /** Lets work go on; `failure` is what the log says should it reject. */
  run(failure: string, work: Promise<unknown>): void {
    const done = work
      .catch((error: unknown) => {
        if (!this.#ended.aborted) this.#log.error({ err: error }, failure)
      })
      .finally(() => this.#running.delete(done))
    this.#running.add(done)
  }

  /** Resolves when all that goes on at this moment has ended. Never rejects. */
  async idle(): Promise<void> {
    await Promise.all(this.#running)
  }
}
