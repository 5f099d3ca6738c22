/** The line to one front: what it is told, and whether it has done so. */

import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Channel } from '../core/channel.ts'
import { type GroveError, toGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { ControlToFront, FrontToControl } from '../core/messages.ts'

/** What a link is made with. */
export interface FrontLinkOptions {
  readonly pid: number
  readonly channel: Channel<FrontToControl, ControlToFront>
  readonly socket: Socket
  /** The front failed or did not answer: it cannot be relied on. */
  readonly failed: (kind: ControlToFront['kind'], error: GroveError) => void
  /** Called whenever {@link FrontLink.isInForce} may have become another. */
  readonly changed: () => void
}

/** Control's end of the line to one front. */
export class FrontLink {
  readonly pid: number
  readonly channel: FrontLinkOptions['channel']
  readonly socket: Socket
  readonly #options: FrontLinkOptions
  /** The newest state is in force. */
  #hasState = false
  /** Counts the states that it was given. */
  #states = 0
  /** Changes that it was told, has not confirmed, and that nobody waits for any more. */
  #late = 0

  constructor(options: FrontLinkOptions) {
    this.#options = options
    this.pid = options.pid
    this.channel = options.channel
    this.socket = options.socket
  }

  /** Whether all that it was told is in force. */
  get isInForce(): boolean {
    return this.#hasState && this.#late === 0
  }

  /** Gives it the whole state. Answers whether that is in force, or the state that came after it. */
  async giveState(state: ControlToFront): Promise<boolean> {
    this.#hasState = false
    this.#states += 1
    const turn = this.#states
    const error = await failureOf(this.channel.call(state, limits.control.stateAnswerMs))
    if (error) this.#options.failed('state', error)
    else if (this.#states === turn) this.#hasState = true // Else a newer state is on its way.
    this.#options.changed()
    return error === undefined
  }

  /**
   * Tells it a change, and answers whether it did it in time. One that is still taking its state gets more time, but
   * nobody waits for it here.
   */
  async tell(message: ControlToFront, timeoutMs: number): Promise<boolean> {
    // A front takes changes in the order in which they were sent: this one waits there for a state before it.
    const longestMs = this.#hasState ? timeoutMs : limits.control.stateAnswerMs + timeoutMs
    const told = failureOf(this.channel.call(message, longestMs)).then((error) => {
      if (error) this.#options.failed(message.kind, error)
      return error === undefined
    })
    if (this.#hasState) return told
    const waited = new AbortController()
    const over = sleep(timeoutMs, undefined, { signal: waited.signal }).catch(() => undefined)
    const inTime = await Promise.race([told, over])
    waited.abort()
    if (inTime !== undefined) return inTime
    this.#late += 1
    void told.then(() => {
      this.#late -= 1
      this.#options.changed()
    })
    return false
  }
}

/** The error of a call, or undefined when it was answered. */
export async function failureOf(call: Promise<unknown>): Promise<GroveError | undefined> {
  try {
    await call
    return undefined
  } catch (thrown) {
    return toGroveError(thrown)
  }
}
