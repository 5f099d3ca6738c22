/** The requests of a code that wait for their turn, and how many run: so many at one time, and none in a turn that is over. */

import type { SandboxLimits } from '../../core/sandbox-limits.ts'
import type { EngineTurn } from '../engine.ts'
import type { Exchange } from './exchange.ts'

/** What a line is made with. */
export interface RequestLineOptions {
  readonly limits: Pick<SandboxLimits, 'concurrentRequests' | 'queuedRequests'>
  readonly turn: EngineTurn
  /** Runs a request. Answers false if it cannot run, and is over. */
  readonly run: (exchange: Exchange) => boolean
}

/** A line. */
export class RequestLine {
  readonly #options: RequestLineOptions
  #waiting: Exchange[] = []
  /** How many of those that have run are not answered yet. */
  #running = 0
  #isPutOff = false

  constructor(options: RequestLineOptions) {
    this.#options = options
  }

  /** Those that wait, the first in front. */
  get waiting(): readonly Exchange[] {
    return this.#waiting
  }

  /** Runs a request now, or when it is its turn. Answers false when too many wait. */
  enter(exchange: Exchange): boolean {
    const { concurrentRequests, queuedRequests } = this.#options.limits
    if (this.#hasRoom) this.#start(exchange)
    else if (this.#running + this.#waiting.length >= concurrentRequests + queuedRequests) return false
    else {
      this.#waiting.push(exchange)
      this.#putOff()
    }
    return true
  }

  /** One that ran makes room for the next. */
  leave(): void {
    this.#running--
    this.#goOn()
  }

  /** One that waits does not any more. */
  remove(exchange: Exchange): void {
    this.#waiting = this.#waiting.filter((other) => other !== exchange)
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#waiting = []
  }

  /** Not in a turn that is over: by its end the isolate may be one that is unfit. */
  get #hasRoom(): boolean {
    const { limits, turn } = this.#options
    return this.#running < limits.concurrentRequests && !turn.isOver
  }

  #start(exchange: Exchange): void {
    this.#running++
    if (!this.#options.run(exchange)) this.#running--
  }

  #goOn(): void {
    while (this.#hasRoom) {
      const next = this.#waiting.shift()
      if (!next) return
      this.#start(next)
    }
    this.#putOff()
  }

  #putOff(): void {
    const { turn } = this.#options
    if (!turn.isOver || this.#isPutOff || this.#waiting.length === 0) return
    this.#isPutOff = true
    turn.next(() => {
      this.#isPutOff = false
      this.#goOn()
    })
  }
}
