/** ExecutionContext, the third argument of a handler. */

import { requireArguments } from './convert.ts'
import { defineInterface, internal, requireInternal } from './idl.ts'

/** What a context does to its request. */
export interface ContextTarget {
  waitUntil(value: unknown): void
  passThrough(): void
}

/** What a handler can ask for beside its answer. */
export class ExecutionContext {
  readonly #target: ContextTarget
  readonly #props = {}

  constructor(key: unknown = undefined, target: unknown = undefined) {
    requireInternal(key)
    this.#target = target as ContextTarget
  }

  /** Lets work go on after the answer, until a promise settles: 30 seconds at most. What it rejects with is logged. */
  waitUntil(promise: unknown): void {
    const target = this.#target
    requireArguments(arguments.length, 1, 'ExecutionContext.waitUntil')
    target.waitUntil(promise)
  }

  /** If the handler throws, the visitor gets what the site's files have, as if there were no code. */
  passThroughOnException(): void {
    this.#target.passThrough()
  }

  /** Empty; it is there because handlers look at it. */
  get props(): object {
    return this.#props
  }
}
defineInterface(ExecutionContext)

/** The context of a request. */
export function createContext(target: ContextTarget): ExecutionContext {
  return new ExecutionContext(internal, target)
}
