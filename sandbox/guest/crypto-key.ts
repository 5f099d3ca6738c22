/** CryptoKey (Web Cryptography API, section 13): what a key is; the key itself is with the host, under a number. */

import type { SubtleKey } from '../bridge-shapes.ts'
import { defineInterface, internal, requireInternal } from './idl.ts'
import { addCloneable } from './structured-clone.ts'

/** How a key was imported, so that the host can be given it again. */
export interface KeyImport {
  /** Arguments of `importKey`, as intermediate values of subtle-values.ts. */
  readonly args: readonly unknown[]
}

/** What is behind a CryptoKey. */
export interface KeyState {
  /** The host's number; another one after the key was imported again. */
  handle: number
  readonly type: SubtleKey['type']
  readonly extractable: boolean
  /** Of the site to look at; the host goes by its own. */
  readonly algorithm: object
  readonly usages: readonly string[]
  readonly imported: KeyImport | undefined
}

let stateIn: (value: object) => KeyState | undefined

/** A key of Web Cryptography. */
export class CryptoKey {
  readonly #state: KeyState

  constructor(key: unknown = undefined, state: unknown = undefined) {
    requireInternal(key)
    this.#state = state as KeyState
  }

  get type(): string {
    return this.#state.type
  }

  get extractable(): boolean {
    return this.#state.extractable
  }

  get algorithm(): object {
    return this.#state.algorithm
  }

  get usages(): readonly string[] {
    return this.#state.usages
  }

  static {
    stateIn = (value) => (#state in value ? value.#state : undefined)
  }
}
defineInterface(CryptoKey)
// Section 13.6: a clone is another object for the same key.
addCloneable((value) => {
  const state = stateIn(value)
  return state && createKey(state)
})

/** The CryptoKey of a state. */
export function createKey(state: KeyState): CryptoKey {
  return new CryptoKey(internal, state)
}

/** The state behind a CryptoKey, by its private field; undefined for anything else. */
export function keyStateOf(value: unknown): KeyState | undefined {
  return typeof value === 'object' && value !== null ? stateIn(value) : undefined
}
