/**
 * A front's line to control: connects, says hello, takes calls in order, and comes back by itself when control was
 * away. A front serves on with what it knows while the line is down.
 */

import { connect } from 'node:net'
import { Channel } from '../core/channel.ts'
import { GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import {
  type ControlToFront,
  controlToFrontSchema,
  type FrontToControl,
  type Leaf,
  leafSchema,
} from '../core/messages.ts'
import type { SiteName } from '../core/names.ts'
import type { Usage } from '../core/usage.ts'
import type { ContentLink, WantedContent, WantedCopy } from './missing-contents.ts'

/** How a link is made. */
export interface ControlLinkOptions {
  /** The socket of `<data>/fronts.sock`. */
  readonly socket: string
  /** Which of the fronts this is, from 0. */
  readonly index: number
  /** Sites that are loaded, for control to know at each connection. */
  readonly loaded: () => SiteName[]
  /**
   * Takes one call; its result is the answer. Calls come one after the other, in the order in which they were sent; but
   * those about one site do not wait for those about another.
   */
  readonly receive: (message: ControlToFront) => Promise<unknown>
  /** Told at each loss and return of the line. */
  readonly changed: (connected: boolean, error: Error | undefined) => void
}

type ControlChannel = Channel<ControlToFront, FrontToControl>

/** A line to control that mends itself. */
export class ControlLink implements ContentLink, Disposable {
  readonly #options: ControlLinkOptions
  #channel: ControlChannel | undefined
  /** What every later call waits for. */
  #queue: Promise<unknown> = Promise.resolve()
  /** The last call about each site since then. */
  readonly #lines = new Map<SiteName, Promise<unknown>>()
  #waitMs: number = limits.front.firstRetryMs
  #timer: NodeJS.Timeout | undefined
  #ended = false
  #arrived = withArrival()

  constructor(options: ControlLinkOptions) {
    this.#options = options
    this.#connect()
  }

  /**
   * The certificate for a name that a client at an address asked for. While control is away this waits for it to come back: a restart takes a second, and a
   * handshake can wait longer than that. Rejects with `ERR_CERT_NAME`, or `ERR_CLOSED` when control stays away.
   */
  async certificate(name: string, address?: string): Promise<Leaf> {
    return leafSchema.parse(await this.#ask({ kind: 'certificate', name, address }, limits.front.certificateMs))
  }

  /**
   * Has control put a content on the disk, for at most `limits.front.contentMs`. Waits like {@link certificate}.
   * Rejects with `ERR_BLOB_MISSING` when there is none, `ERR_TIMEOUT`, `ERR_CLOSED`, or what control had to fail with.
   */
  async content(wanted: WantedContent): Promise<void> {
    await this.#ask({ kind: 'content', ...wanted }, limits.front.contentMs)
  }

  /**
   * Has control tell a site, for at most `limits.front.siteMs`; it comes as a call of its own before this resolves.
   * Waits like {@link certificate}. Rejects with `ERR_SITE_UNKNOWN`, `ERR_TIMEOUT`, `ERR_CLOSED`.
   */
  async site(name: SiteName): Promise<void> {
    await this.#ask({ kind: 'site', name }, limits.front.siteMs)
  }

  /** Tells control that a copy is not there. Does nothing while control is away: the next visitor tells it again. */
  reportCopy(copy: WantedCopy): void {
    this.#channel?.send({ kind: 'copy', ...copy })
  }

  /** Gives control what was counted last. Never rejects: when control stays away or cannot keep it, it is lost. */
  async giveUsage(usage: readonly Usage[]): Promise<void> {
    if (usage.length === 0) return
    try {
      const channel = this.#channel ?? (await this.#nextChannel(limits.usage.lastWordMs))
      await channel.call({ kind: 'usage', usage: [...usage] }, limits.usage.lastWordMs)
    } catch {
      // The front ends all the same: nobody is to wait for numbers.
    }
  }

  [Symbol.dispose](): void {
    this.#ended = true
    this.#arrived.reject(new GroveError('ERR_CLOSED', 'front is ending'))
    clearTimeout(this.#timer)
    this.#channel?.close()
  }

  /** Asks what changes nothing, once more of the next control when one goes before it has answered. */
  async #ask(message: FrontToControl, withinMs: number): Promise<unknown> {
    const giveUpAtMs = performance.now() + withinMs
    for (;;) {
      const leftMs = giveUpAtMs - performance.now()
      const channel = this.#channel ?? (await this.#nextChannel(leftMs))
      try {
        return await channel.call(message, Math.max(1, leftMs))
      } catch (error) {
        if (!isGroveError(error, 'ERR_CLOSED') || this.#ended) throw error
        if (this.#channel === channel) throw error
      }
    }
  }

  /** The channel of the next connection. Rejects with `ERR_CLOSED` when there is none within `withinMs`. */
  async #nextChannel(withinMs: number): Promise<ControlChannel> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new GroveError('ERR_CLOSED', 'control is away')), Math.max(0, withinMs))
    })
    try {
      return await Promise.race([this.#arrived.promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #connect(): void {
    if (this.#ended) return
    const socket = connect(this.#options.socket)
    const retry = (error: Error | undefined) => {
      this.#channel = undefined
      if (this.#ended) return
      this.#options.changed(false, error)
      this.#timer = setTimeout(() => this.#connect(), this.#waitMs)
      this.#waitMs = Math.min(this.#waitMs * 2, limits.front.longestRetryMs)
    }
    socket.once('error', retry)
    socket.once('connect', () => {
      socket.off('error', retry)
      this.#waitMs = limits.front.firstRetryMs
      const channel: ControlChannel = new Channel(socket, {
        incoming: controlToFrontSchema,
        receive: (message) => this.#inOrder(message),
        closed: retry,
      })
      this.#channel = channel
      this.#options.changed(true, undefined)
      channel.send({ kind: 'hello', pid: process.pid, index: this.#options.index, loaded: this.#options.loaded() })
      this.#arrived.resolve(channel)
      this.#arrived = withArrival()
    })
  }

  /**
   * Runs calls one after the other: a version must never be put in force after a newer one. Those that change nothing of
   * what is served go past the line; those about one site only wait for what came before about that site or about all.
   */
  #inOrder(message: ControlToFront): Promise<unknown> {
    const { receive } = this.#options
    if (message.kind === 'settle' || message.kind === 'stats' || message.kind === 'usage') return receive(message)
    const name = message.kind === 'site' ? message.site.name : message.kind === 'gone' ? message.name : undefined
    const before = name === undefined ? Promise.all([this.#queue, ...this.#lines.values()]) : this.#lines.get(name)
    const turn = (before ?? this.#queue).then(() => receive(message))
    const settled = turn.catch(() => undefined) // The caller gets the error; the line goes on.
    if (name === undefined) {
      this.#queue = settled
      this.#lines.clear()
    } else {
      this.#lines.set(name, settled)
      void settled.then(() => {
        if (this.#lines.get(name) === settled) this.#lines.delete(name)
      })
    }
    return turn
  }
}

function withArrival(): PromiseWithResolvers<ControlChannel> {
  const arrival = Promise.withResolvers<ControlChannel>()
  arrival.promise.catch(() => undefined) // Often nobody waits.
  return arrival
}
