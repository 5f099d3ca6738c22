/** A front's link with one tenant process: requests out, answers in, and what the supervisor is told of its use. */

import type { Socket } from 'node:net'
import type { GroveError } from '../core/errors.ts'
import { HeldMap } from '../core/held-map.ts'
import { limits } from '../core/limits.ts'
import { createFrameLink, type FrameLink } from '../core/sandbox-link.ts'
import type { UpstreamAnswer } from '../core/upstream.ts'
import { CodeExchange } from './code-exchange.ts'
import { killed } from './code-failures.ts'
import type { CodeRequest } from './code-request.ts'
import type { OpenVisitorSocket } from './code-socket-ends.ts'

/** What a link is made with. */
export interface CodeLinkOptions {
  readonly socket: Socket
  /** Called once when the link is over. `fault`: what the process did wrong, undefined where it just ended. */
  readonly ended: (link: CodeLink, fault: string | undefined) => void
  /**
   * Why the process ended, as the supervisor says. Its word comes on another line, so it is waited for; undefined where
   * it does not come.
   */
  readonly whyEnded: () => Promise<GroveError | undefined>
}

/** What was sent through a link since the supervisor was last told. */
export interface CodeLinkUse {
  readonly underWay: number
  readonly requests: number
  readonly receivedBytes: number
  readonly sentBytes: number
}

/** One link. */
export class CodeLink {
  readonly #options: CodeLinkOptions
  readonly #link: FrameLink
  /** Keyed by stream. */
  readonly #exchanges = new HeldMap<number, CodeExchange>()
  #nextStream = 1
  #requests = 0
  #sentBytes = 0
  #receivedBytes = 0
  #isTold = true

  constructor(options: CodeLinkOptions) {
    this.#options = options
    this.#link = createFrameLink({
      socket: options.socket,
      onFrame: (type, stream, payload) => this.#take(type, stream, payload),
      onEnd: (fault) => this.#ended(fault),
    })
  }

  /** Whether requests can be sent. */
  get isOpen(): boolean {
    return this.#link.isOpen
  }

  /** Requests under way. */
  get underWay(): number {
    return this.#exchanges.size
  }

  /**
   * Sends a request to one version of the site's code. With `upgrade` it is a handshake, and the answer may be 101, after
   * that was called. Rejects as {@link CodeExchange.answer} does.
   */
  send(request: CodeRequest, version: number, upgrade?: OpenVisitorSocket): Promise<UpstreamAnswer> {
    const stream = this.#takeStream()
    const exchange = new CodeExchange({
      link: this.#link,
      stream,
      request,
      version,
      upgrade,
      over: ({ sentBytes, receivedBytes }) => {
        this.#exchanges.delete(stream)
        this.#sentBytes += sentBytes
        this.#receivedBytes += receivedBytes
        this.#isTold = false
      },
    })
    this.#exchanges.set(stream, exchange)
    this.#requests += 1
    this.#isTold = false
    exchange.begin()
    return exchange.answer
  }

  /** What was sent since the last call; undefined when there is nothing to tell. */
  use(): CodeLinkUse | undefined {
    if (this.#isTold && this.#exchanges.size === 0) return undefined
    const use = {
      underWay: this.#exchanges.size,
      requests: this.#requests,
      receivedBytes: this.#sentBytes,
      sentBytes: this.#receivedBytes,
    }
    this.#requests = 0
    this.#sentBytes = 0
    this.#receivedBytes = 0
    this.#isTold = true
    return use
  }

  /** Ends the link, and what is under way. */
  close(): void {
    this.#link.close()
  }

  /** A number that no request has that is under way. */
  #takeStream(): number {
    do this.#nextStream = (this.#nextStream % limits.frontCode.streams) + 1
    while (this.#exchanges.has(this.#nextStream))
    return this.#nextStream
  }

  #take(type: number, stream: number, payload: Buffer): void {
    // One that is over here may still have frames on the way.
    const fault = this.#exchanges.get(stream)?.take(type, payload)
    if (fault !== undefined) this.#link.fail(fault)
  }

  #ended(fault: string | undefined): void {
    this.#options.ended(this, fault)
    const left = this.#exchanges.values()
    if (left.length === 0) return
    void this.#options.whyEnded().then((why) => {
      const error = why ?? killed(fault ?? 'the process has ended')
      for (const exchange of left) exchange.lost(error)
    })
  }
}
