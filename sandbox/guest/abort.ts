/**
 * AbortController and AbortSignal (DOM Standard, section 3).
 */

import { requireArguments, toSequence, toUnsignedLongLong } from './convert.ts'
import { DOMException } from './dom-exception.ts'
import { dispatch, EventTarget, getHandler, hasListeners, onListenerSignal, setHandler } from './event-target.ts'
import { Event } from './events.ts'
import { defineInterface, internal, requireInternal } from './idl.ts'
import { arrays, sets } from './primordials.ts'
import { setTimer } from './timers.ts'

type Algorithm = () => void

/** What the prelude may do with signals; site code cannot reach it. */
interface SignalControl {
  abort(signal: AbortSignal, reason: unknown): void
  add(signal: AbortSignal, algorithm: Algorithm): void
  remove(signal: AbortSignal, algorithm: Algorithm): void
  any(signals: readonly AbortSignal[]): AbortSignal
  is(value: unknown): value is AbortSignal
}

let control: SignalControl

/** Tells that something is not wanted any more. */
export class AbortSignal extends EventTarget {
  #aborted = false
  #reason: unknown = undefined
  readonly #algorithms = new Set<Algorithm>()
  /** Signals that are not themselves made of others; null for a signal of a controller, of a timeout or of the host. */
  #sources: AbortSignal[] | null = null
  /** Signals made of this one. They live as long as it does. */
  readonly #dependents: AbortSignal[] = []

  constructor(key: unknown = undefined) {
    requireInternal(key)
    super()
  }

  static abort(reason: unknown = undefined): AbortSignal {
    const signal = new AbortSignal(internal)
    signal.#aborted = true
    signal.#reason = reason === undefined ? abortError() : reason
    return signal
  }

  static timeout(milliseconds: unknown): AbortSignal {
    requireArguments(arguments.length, 1, 'AbortSignal.timeout')
    const waitMs = toUnsignedLongLong(milliseconds, 'enforce')
    const signal = new AbortSignal(internal)
    setTimer(() => abort(signal, new DOMException('the operation took too long', 'TimeoutError')), waitMs)
    return signal
  }

  static any(signals: unknown): AbortSignal {
    requireArguments(arguments.length, 1, 'AbortSignal.any')
    return anySignal(toSequence(signals, requireSignal, 'the list of signals'))
  }

  get aborted(): boolean {
    return this.#aborted
  }

  get reason(): unknown {
    return this.#reason
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason
  }

  get onabort(): object | null {
    return getHandler(this, 'abort')
  }

  set onabort(value: unknown) {
    setHandler(this, 'abort', value)
  }

  /** DOM Standard, "signal abort": all signals get their state before any code runs. */
  #abort(reason: unknown): void {
    if (this.#aborted) return
    this.#mark(reason)
    const dependents: AbortSignal[] = []
    for (let index = 0; index < this.#dependents.length; index++) {
      const dependent = this.#dependents[index]
      if (dependent === undefined || dependent.#aborted) continue
      dependent.#mark(this.#reason)
      arrays.push(dependents, dependent)
    }
    this.#dependents.length = 0
    this.#run()
    for (let index = 0; index < dependents.length; index++) (dependents[index] as AbortSignal).#run()
  }

  #mark(reason: unknown): void {
    this.#aborted = true
    this.#reason = reason === undefined ? abortError() : reason
  }

  #run(): void {
    const algorithms: Algorithm[] = []
    sets.forEach(this.#algorithms, (algorithm) => arrays.push(algorithms, algorithm))
    sets.clear(this.#algorithms)
    for (let index = 0; index < algorithms.length; index++) algorithms[index]?.()
    if (hasListeners(this, 'abort')) dispatch(this, new Event('abort'))
  }

  static {
    control = {
      abort: (signal, reason) => signal.#abort(reason),
      add(signal, algorithm) {
        if (!signal.#aborted) sets.add(signal.#algorithms, algorithm)
      },
      remove: (signal, algorithm) => sets.delete(signal.#algorithms, algorithm),
      is: (value): value is AbortSignal => typeof value === 'object' && value !== null && #aborted in value,
      any(signals) {
        const result = new AbortSignal(internal)
        for (let index = 0; index < signals.length; index++) {
          const signal = signals[index] as AbortSignal
          if (!signal.#aborted) continue
          result.#mark(signal.#reason)
          return result
        }
        result.#sources = []
        for (let index = 0; index < signals.length; index++) {
          const signal = signals[index]
          const sources = signal === undefined ? [] : (signal.#sources ?? [signal])
          for (let place = 0; place < sources.length; place++) result.#follow(sources[place] ?? result)
        }
        return result
      },
    }
  }

  #follow(source: AbortSignal): void {
    if (this.#sources === null || arrays.includes(this.#sources, source)) return
    arrays.push(this.#sources, source)
    arrays.push(source.#dependents, this)
  }
}
defineInterface(AbortSignal, { name: 'AbortSignal' })

/** Aborts a signal of its own. */
export class AbortController {
  readonly #signal = new AbortSignal(internal)

  get signal(): AbortSignal {
    return this.#signal
  }

  abort(reason: unknown = undefined): void {
    control.abort(this.#signal, reason)
  }
}
defineInterface(AbortController, { name: 'AbortController' })

/** A signal of the prelude's own, to be aborted with {@link abort}. */
export function createSignal(): AbortSignal {
  return new AbortSignal(internal)
}

/** Aborts a signal; `reason` is an `AbortError` by default. */
export function abort(signal: AbortSignal, reason?: unknown): void {
  control.abort(signal, reason)
}

/** The value if it is an AbortSignal; a TypeError if not. */
export function requireSignal(value: unknown): AbortSignal {
  if (!control.is(value)) throw new TypeError('not an AbortSignal')
  return value
}

/** A signal that is aborted when any of the others is (DOM Standard, "create a dependent abort signal"). */
export function anySignal(signals: readonly AbortSignal[]): AbortSignal {
  return control.any(signals)
}

/** Runs `algorithm` when a signal is aborted, before its listeners; not when it already is. Answers how to take it back. */
export function whenAborted(signal: AbortSignal, algorithm: Algorithm): () => void {
  control.add(signal, algorithm)
  return () => control.remove(signal, algorithm)
}

function abortError(): DOMException {
  return new DOMException('the operation was aborted', 'AbortError')
}

onListenerSignal((value, remove) => {
  const signal = requireSignal(value)
  if (signal.aborted) return true
  control.add(signal, remove)
  return false
})
