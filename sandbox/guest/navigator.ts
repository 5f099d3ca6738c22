/**
 * `navigator` (WinterTC, minimum common web API): what code runs on.
 */

import { defineInterface, internal, requireInternal } from './idl.ts'

/** Tells code what it runs on. */
export class Navigator {
  readonly #userAgent = 'Grove'

  constructor(key: unknown = undefined) {
    requireInternal(key)
  }

  get userAgent(): string {
    return this.#userAgent
  }
}
defineInterface(Navigator)

/** The `navigator` of the global. */
export const navigator = new Navigator(internal)
