/**
 * ErrorEvent and PromiseRejectionEvent (HTML Standard, sections 8.1.4.5 and 8.1.4.7).
 */

import { isObject, requireArguments, toDictionary, toDOMString, toUnsignedLong, toUSVString } from './convert.ts'
import { Event } from './events.ts'
import { defineInterface } from './idl.ts'

/** An error that nobody caught. */
export class ErrorEvent extends Event {
  readonly #message: string
  readonly #filename: string
  readonly #lineno: number
  readonly #colno: number
  readonly #error: unknown

  constructor(type: unknown, init: unknown = undefined) {
    requireArguments(arguments.length, 1, 'ErrorEvent')
    super(type, init)
    const { colno, error, filename, lineno, message } = toDictionary(init, 'the init of an event')
    this.#colno = colno === undefined ? 0 : toUnsignedLong(colno)
    this.#error = error
    this.#filename = filename === undefined ? '' : toUSVString(filename)
    this.#lineno = lineno === undefined ? 0 : toUnsignedLong(lineno)
    this.#message = message === undefined ? '' : toDOMString(message)
  }

  get message(): string {
    return this.#message
  }

  get filename(): string {
    return this.#filename
  }

  get lineno(): number {
    return this.#lineno
  }

  get colno(): number {
    return this.#colno
  }

  get error(): unknown {
    return this.#error
  }
}
defineInterface(ErrorEvent)

/** A promise that was rejected while nobody listened, or that somebody listens to after all. */
export class PromiseRejectionEvent extends Event {
  readonly #promise: object
  readonly #reason: unknown

  constructor(type: unknown, init: unknown) {
    requireArguments(arguments.length, 2, 'PromiseRejectionEvent')
    super(type, init)
    const { promise, reason } = toDictionary(init, 'the init of an event')
    if (!isObject(promise)) throw new TypeError('a PromiseRejectionEvent needs a promise')
    this.#promise = promise
    this.#reason = reason
  }

  get promise(): object {
    return this.#promise
  }

  get reason(): unknown {
    return this.#reason
  }
}
defineInterface(PromiseRejectionEvent)
