/**
 * What entries take in one turn of the event loop, in all isolates of a process. Many can be asked for in one piece of a
 * socket, and each may be stopped only at its limit; between them the process has to show that it is alive, and to look at
 * clocks and links.
 */

import { tenantLimits } from '../../core/sandbox-limits.ts'
import type { EngineTurn } from '../engine.ts'

/** The turn that runs. */
export class Turn implements EngineTurn {
  isOver = false
  #takenMs = 0
  #isCounted = false
  #waiting: (() => void)[] = []

  /** An entry, or the loading of a code, has taken so long. */
  count(wallMs: number): void {
    this.#takenMs += wallMs
    if (this.#takenMs > tenantLimits.turnMs) this.isOver = true
    if (this.#isCounted) return
    this.#isCounted = true
    setImmediate(() => this.#begin())
  }

  next(act: () => void): void {
    this.#waiting.push(act)
  }

  #begin(): void {
    this.#takenMs = 0
    this.#isCounted = false
    this.isOver = false
    const acts = this.#waiting
    this.#waiting = []
    for (const act of acts) act()
  }
}
