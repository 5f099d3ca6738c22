/** Control's end of the line to its parent, which holds the listening sockets and starts the fronts. */

import { fromPlainError, GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { ControlToParent, ListenSpec, ParentToControl } from '../core/messages.ts'
import type { SupervisorSettings } from '../core/supervisor-start.ts'
import type { Ports } from './front-settings.ts'

/** Where to listen and with how many fronts. */
export interface ApplyRequest {
  /** The data folder, absolute. */
  readonly data: string
  readonly listen: ListenSpec[]
  readonly fronts: number
  /** How the supervisor of sandboxes is started; absent where none is to run. */
  readonly sandbox?: SupervisorSettings
}

interface Waiting {
  readonly resolve: (ports: Ports) => void
  readonly reject: (error: GroveError) => void
  readonly timer: NodeJS.Timeout
}

/** Asks the parent and takes its answers. */
export class ParentLink {
  readonly #send: (message: ControlToParent) => void
  readonly #timeoutMs: number
  /** Keyed by the request's id. */
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1

  constructor(send: (message: ControlToParent) => void, timeoutMs: number = limits.control.parentAnswerMs) {
    this.#send = send
    this.#timeoutMs = timeoutMs
  }

  /** Resolves with the real ports when the parent listens. Rejects with its error, such as `ERR_PORT`, or `ERR_TIMEOUT`. */
  apply(request: ApplyRequest): Promise<Ports> {
    const id = this.#nextId++
    const { promise, resolve, reject } = Promise.withResolvers<Ports>()
    const timer = setTimeout(() => {
      this.#waiting.delete(id)
      reject(new GroveError('ERR_TIMEOUT', `the parent did not listen within ${this.#timeoutMs} ms`))
    }, this.#timeoutMs)
    this.#waiting.set(id, { resolve, reject, timer })
    this.#send({ kind: 'apply', id, ...request })
    return promise
  }

  /** Takes the answer to an {@link apply}. One that nobody waits for any more is passed over. */
  applied({ id, ports, error }: Extract<ParentToControl, { kind: 'applied' }>): void {
    const waiting = this.#waiting.get(id)
    if (!waiting) return
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    if (error) waiting.reject(fromPlainError(error))
    else waiting.resolve(ports ?? {})
  }

  /** Says that all is up. */
  ready(banner: readonly string[]): void {
    this.#send({ kind: 'ready', banner: [...banner] })
  }

  /** Asks the parent to stop everything. */
  stop(): void {
    this.#send({ kind: 'stop' })
  }
}
