/**
 * A front's line to control: connects, says hello, takes calls in order, and comes back by itself when control was
 * away. A front serves on with what it knows while the line is down.
 */

import { connect } from 'node:net'
import { Channel } from '../core/channel.ts'
import { GroveError } from '../core/errors.ts'
import {
  type ControlToFront,
  controlToFrontSchema,
  type FrontToControl,
  type Leaf,
  leafSchema,
} from '../core/messages.ts'

/** How a link is made. */
export interface ControlLinkOptions {
  /** The socket of `<data>/fronts.sock`. */
  readonly socket: string
  /** Which of the fronts this is, from 0. */
  readonly index: number
  /** Takes one call; its result is the answer. Calls come one after the other, in the order in which they were sent. */
  readonly receive: (message: ControlToFront) => Promise<unknown>
  /** Told at each loss and return of the line. */
  readonly changed: (connected: boolean, error: Error | undefined) => void
}

const firstWaitMs = 50
const longestWaitMs = 2_000

/** A line to control that mends itself. */
export class ControlLink implements Disposable {
  readonly #options: ControlLinkOptions
  #channel: Channel<ControlToFront, FrontToControl> | undefined
  #queue: Promise<unknown> = Promise.resolve()
  #waitMs = firstWaitMs
  #timer: NodeJS.Timeout | undefined
  #ended = false

  constructor(options: ControlLinkOptions) {
    this.#options = options
    this.#connect()
  }

  /** The certificate for a name. Rejects with `ERR_CERT_NAME`, or `ERR_CLOSED` while control is away. */
  async certificate(name: string): Promise<Leaf> {
    if (!this.#channel) throw new GroveError('ERR_CLOSED', 'control is away')
    return leafSchema.parse(await this.#channel.call({ kind: 'certificate', name }, certificateTimeoutMs))
  }

  [Symbol.dispose](): void {
    this.#ended = true
    clearTimeout(this.#timer)
    this.#channel?.close()
  }

  #connect(): void {
    if (this.#ended) return
    const socket = connect(this.#options.socket)
    const retry = (error: Error | undefined) => {
      this.#channel = undefined
      if (this.#ended) return
      this.#options.changed(false, error)
      this.#timer = setTimeout(() => this.#connect(), this.#waitMs)
      this.#waitMs = Math.min(this.#waitMs * 2, longestWaitMs)
    }
    socket.once('error', retry)
    socket.once('connect', () => {
      socket.off('error', retry)
      this.#waitMs = firstWaitMs
      const channel = new Channel<ControlToFront, FrontToControl>(socket, {
        incoming: controlToFrontSchema,
        receive: (message) => this.#inOrder(message),
        closed: retry,
      })
      this.#channel = channel
      this.#options.changed(true, undefined)
      channel.send({ kind: 'hello', pid: process.pid, index: this.#options.index })
    })
  }

  /** Runs calls one after the other: a version must never be put in force after a newer one. `settle` waits apart. */
  #inOrder(message: ControlToFront): Promise<unknown> {
    if (message.kind === 'settle' || message.kind === 'stats') return this.#options.receive(message)
    const turn = this.#queue.then(() => this.#options.receive(message))
    this.#queue = turn.catch(() => undefined) // The caller gets the error; the queue goes on.
    return turn
  }
}

/** A handshake waits at most this long for control; limits.http.handshakeTimeoutMs bounds it as a whole. */
const certificateTimeoutMs = 8_000
