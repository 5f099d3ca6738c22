/**
 * The fronts that are connected: each says hello, gets the whole state, and from then on every change.
 *
 * A front that does not answer in time is cut off; it comes back by itself and gets the state anew, so no front goes
 * on with half of what it was told. Waiting for a front is always bounded, but for {@link FrontLinks.allInForce}, which
 * waits for the truth: every front that the parent knows has everything in force.
 */

import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from 'pino'
import type { z } from 'zod'
import { Channel } from '../core/channel.ts'
import { GroveError, toGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import {
  type ControlToFront,
  type FrontStats,
  type FrontToControl,
  frontStatsSchema,
  frontToControlSchema,
  type SiteState,
  siteNamesSchema,
} from '../core/messages.ts'
import type { SiteName } from '../core/names.ts'
import { listenPrivately } from '../core/private-socket.ts'
import { type Usage, usageListSchema } from '../core/usage.ts'
import { FrontLink, failureOf } from './front-link.ts'

/** A whole state, as a front gets it. */
export type FrontState = Extract<ControlToFront, { kind: 'state' }>

type Hello = Extract<FrontToControl, { kind: 'hello' }>

/** What a front asks for that is not about what is live. */
export type FrontAsk = Exclude<FrontToControl, { kind: 'hello' | 'site' }>

/** What the links are made with. */
export interface FrontLinksOptions {
  /** Path of the socket. */
  readonly socket: string
  /** Everything that a front has to know that has loaded some sites, at this moment. */
  readonly state: (loaded: ReadonlySet<SiteName>) => FrontState
  /** Sees to it that {@link site} can be answered. */
  readonly ready: (name: SiteName) => Promise<void>
  /** What a front has to know of a site, at this moment; undefined when there is none. */
  readonly site: (name: SiteName) => SiteState | undefined
  /** Does something about a site that a front could not read. */
  readonly mend: (name: SiteName) => Promise<void>
  /** Does what else a front asks for, and answers it. */
  readonly asked: (message: FrontAsk) => Promise<unknown>
  readonly log: Logger
  /** How long a front may take to answer, in milliseconds. @default limits.control.frontAnswerMs */
  readonly answerMs?: number
}

/** How many fronts did what they were told, of those that were connected. */
export interface Reach {
  readonly live: number
  readonly connected: number
}

/** Control's end of the lines to all fronts. */
export class FrontLinks implements AsyncDisposable {
  readonly #options: FrontLinksOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #links = new Map<number, FrontLink>()
  /** Fronts that run, as the parent says; undefined until it has said so. */
  #running: ReadonlySet<number> | undefined
  readonly #waiting = new Set<() => void>()
  /** Aborts at the next change: it takes listeners off that waited for it. */
  #nextChange = new AbortController()

  constructor(options: FrontLinksOptions) {
    this.#options = options
    this.#server = createServer((socket) => this.#accept(socket))
    this.#server.maxConnections = limits.control.frontConnections
  }

  /** Listens for fronts; from now on `state` is asked. Throws `ERR_PORT`. */
  listen(): Promise<void> {
    return listenPrivately(this.#server, this.#options.socket)
  }

  /** Fronts that have said hello. */
  get connected(): number {
    return this.#links.size
  }

  /** Takes the process ids of the fronts that run, from the parent. */
  setRunning(pids: Iterable<number>): void {
    this.#running = new Set(pids)
    this.#changed()
  }

  /**
   * Tells every front something and says how many did it within `timeoutMs`. A front that fails or does not answer is
   * cut off; one that is still taking its state gets more time, but nobody waits for it here.
   */
  async push(message: ControlToFront, timeoutMs: number = this.#answerMs): Promise<Reach> {
    const links = [...this.#links.values()]
    const done = await Promise.all(links.map((link) => link.tell(message, timeoutMs)))
    return { live: done.filter((did) => did).length, connected: links.length }
  }

  /**
   * Gives every front the whole state in place of what it knew, and waits until each has it or is cut off. `loaded`: the
   * sites that any of them has loaded.
   */
  async pushState(loaded: ReadonlySet<SiteName>): Promise<Reach> {
    const links = [...this.#links.values()]
    const done = await Promise.all(links.map((link) => link.giveState(this.#options.state(loaded))))
    return { live: done.filter((did) => did).length, connected: links.length }
  }

  /**
   * Resolves when no front has an answer of an earlier version of a site under way. Rejects with `ERR_TIMEOUT` when that
   * is not sure: a front was asked and did not answer, or one runs that was not asked.
   */
  async settle(name: SiteName): Promise<void> {
    const asked = new Set(this.#links.keys())
    const { live, connected } = await this.push({ kind: 'settle', name }, limits.control.settleAnswerMs)
    const late = [...(this.#running ?? [])].filter((pid) => !asked.has(pid))
    if (live < connected || late.length > 0)
      throw new GroveError('ERR_TIMEOUT', 'a front may still send what is old', { details: { late } })
  }

  /** Asks every front and rejects with the error of the first that refuses or does not answer. Cuts nobody off. */
  async ask(message: ControlToFront): Promise<void> {
    const refusals = await Promise.all(
      [...this.#links.values()].map(async ({ pid, channel }) => {
        const error = await failureOf(channel.call(message, limits.control.stateAnswerMs))
        return error && new GroveError(error.code, `front ${pid}: ${error.message}`, { cause: error })
      }),
    )
    for (const refusal of refusals) if (refusal) throw refusal
  }

  /** Sites that some front has loaded. One that does not answer is cut off: it says what it has when it comes back. */
  async loaded(): Promise<Set<SiteName>> {
    const names = new Set<SiteName>()
    const asking = [...this.#links.values()].map(async (link) => {
      try {
        const answer = await link.channel.call({ kind: 'loaded' }, limits.control.stateAnswerMs)
        for (const name of siteNamesSchema.parse(answer)) names.add(name)
      } catch (error) {
        this.#cutOff(link, 'loaded', toGroveError(error))
      }
    })
    await Promise.all(asking)
    return names
  }

  /** Counters of the fronts that answer in time. */
  stats(): Promise<FrontStats[]> {
    return this.#collect({ kind: 'stats' }, frontStatsSchema, limits.control.statsAnswerMs)
  }

  /** What sites used since it was last taken. The counts of a front that does not answer in time are lost. */
  async takeUsage(): Promise<Usage[]> {
    return (await this.#collect({ kind: 'usage' }, usageListSchema, limits.usage.takeAnswerMs)).flat()
  }

  /** Why {@link allInForce} would wait, for people; undefined if it would not. */
  get behind(): string | undefined {
    if (!this.#running) return 'the fronts are not known yet'
    const missing = [...this.#running].filter((pid) => !this.#links.has(pid))
    if (missing.length > 0) return `front ${missing.join(', ')} is not connected`
    const late = [...this.#links.values()].filter((link) => !link.isInForce)
    return late.length > 0 ? `front ${late.map(({ pid }) => pid).join(', ')} has not confirmed its state` : undefined
  }

  /**
   * Resolves when every front that runs is connected and has its state in force. Waits as long as it takes: a front
   * that runs and cannot be reached may serve what is old. Rejects when `signal` aborts.
   */
  async allInForce(signal: AbortSignal): Promise<void> {
    while (this.behind !== undefined) {
      signal.throwIfAborted()
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true, signal: this.#nextChange.signal })
      })
    }
    signal.throwIfAborted()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    // One that was never listening says so; there is nothing to wait for then.
    for (const socket of this.#sockets) socket.destroy()
    await closed
    this.#changed()
  }

  /** The answers of the fronts that answer in time. */
  async #collect<T>(message: ControlToFront, schema: z.ZodType<T>, timeoutMs: number): Promise<T[]> {
    const calls = [...this.#links.values()].map(({ channel }) => channel.call(message, timeoutMs))
    return (await Promise.allSettled(calls)).flatMap((call) => {
      const answer = schema.safeParse(call.status === 'fulfilled' ? call.value : undefined)
      return answer.success ? [answer.data] : []
    })
  }

  get #answerMs(): number {
    return this.#options.answerMs ?? limits.control.frontAnswerMs
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    let link: FrontLink | undefined
    const silent = setTimeout(() => socket.destroy(), limits.control.helloMs)
    const channel = new Channel<FrontToControl, ControlToFront>(socket, {
      incoming: frontToControlSchema,
      receive: async (message) => {
        if (message.kind === 'hello') {
          clearTimeout(silent)
          link ??= this.#hello(message, channel, socket)
        } else if (message.kind !== 'site') return this.#options.asked(message)
        else if (link) await this.#tellSite(link, message.name)
        return {}
      },
      closed: (error) => {
        clearTimeout(silent)
        this.#sockets.delete(socket)
        if (error) this.#options.log.warn({ err: error, front: link?.pid }, 'line to a front broke')
        if (link) this.#forget(link)
      },
    })
  }

  #hello({ pid, loaded }: Hello, channel: FrontLink['channel'], socket: Socket): FrontLink {
    this.#links.get(pid)?.socket.destroy() // The same front, back before its old line was seen to end.
    const link: FrontLink = new FrontLink({
      pid,
      channel,
      socket,
      failed: (kind, error) => this.#cutOff(link, kind, error),
      changed: () => this.#changed(),
    })
    this.#links.set(pid, link)
    void link.giveState(this.#options.state(new Set(loaded)))
    return link
  }

  /** Tells a front a site that it asked for. It is not told twice what it cannot read. */
  async #tellSite(link: FrontLink, name: SiteName): Promise<void> {
    for (const isFirst of [true, false]) {
      await this.#options.ready(name)
      // Nothing may come between the look at what is live and the telling: a later version would be told before it.
      const site = this.#options.site(name)
      if (!site) throw new GroveError('ERR_SITE_UNKNOWN', `there is no site "${name}"`)
      const error = await failureOf(link.channel.call({ kind: 'site', site }, this.#answerMs))
      if (!error) return
      if (!isFirst || (error.code !== 'ERR_NOT_FOUND' && error.code !== 'ERR_DATA_FORMAT')) throw error
      this.#options.log.warn({ err: error, site: name }, 'front cannot read a compiled version, made anew')
      await this.#options.mend(name)
    }
  }

  #cutOff(link: FrontLink, kind: string, error: GroveError): void {
    if (this.#links.get(link.pid) !== link) return
    this.#options.log.warn({ err: error, front: link.pid, message: kind }, 'front did not do what it was told, cut off')
    this.#forget(link)
    link.socket.destroy()
  }

  #forget(link: FrontLink): void {
    if (this.#links.get(link.pid) === link) this.#links.delete(link.pid)
    this.#changed()
  }

  #changed(): void {
    this.#nextChange.abort()
    this.#nextChange = new AbortController()
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}
