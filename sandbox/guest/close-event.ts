/** CloseEvent (WebSockets Standard, section 6). */

import { requireArguments, toDictionary, toUnsignedShort, toUSVString } from './convert.ts'
import { Event } from './events.ts'
import { defineInterface } from './idl.ts'

/** A socket that was closed, and how. */
export class CloseEvent extends Event {
  readonly #wasClean: boolean
  readonly #code: number
  readonly #reason: string

  constructor(type: unknown, init: unknown = undefined) {
    requireArguments(arguments.length, 1, 'CloseEvent')
    super(type, init)
    const { code, reason, wasClean } = toDictionary(init, 'the init of an event')
    this.#code = code === undefined ? 0 : toUnsignedShort(code)
    this.#reason = reason === undefined ? '' : toUSVString(reason)
    this.#wasClean = !!wasClean
  }

  get wasClean(): boolean {
    return this.#wasClean
  }

  get code(): number {
    return this.#code
  }

  get reason(): string {
    return this.#reason
  }
}
defineInterface(CloseEvent)
