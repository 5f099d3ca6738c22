/**
 * A front's line to the supervisor of sandboxes, and its links with tenant processes. The supervisor says for which
 * process to open a link before it starts, and which process has a site's code; requests go straight to the process.
 *
 * While the supervisor is away, processes that are known go on being used: their links do not pass through it.
 */

import { connect, type Socket } from 'node:net'
import type { Logger } from 'pino'
import { Channel } from '../core/channel.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import { setNewest } from '../core/newest.ts'
import {
  type FrontToSupervisor,
  neededSchema,
  type SupervisorToFront,
  supervisorToFrontSchema,
} from '../core/supervisor-messages.ts'
import { killed } from './code-failures.ts'
import { CodeLink } from './code-link.ts'

/** What the line is made with. */
export interface SupervisorLinkOptions {
  /** The socket of `<data>/supervisor.sock`. */
  readonly socket: string
  readonly log: Logger
}

type SupervisorChannel = Channel<SupervisorToFront, FrontToSupervisor>

/** Why a process ended: kept for a while, since its link may close before the supervisor has said so, or after. */
interface Ending {
  readonly said: PromiseWithResolvers<GroveError | undefined>
}

/** A line that mends itself, and the links. */
export class SupervisorLink implements Disposable {
  readonly #options: SupervisorLinkOptions
  #channel: SupervisorChannel | undefined
  /** Keyed by process. */
  readonly #links = new Map<string, CodeLink>()
  /** Which process has a version of a site, as it was asked. Keyed by `site@version`. */
  readonly #needed = new Map<string, Promise<string>>()
  readonly #endings = new Map<string, Ending>()
  readonly #telling: NodeJS.Timeout
  #arrived = Promise.withResolvers<SupervisorChannel>()
  #waitMs: number = limits.front.firstRetryMs
  #timer: NodeJS.Timeout | undefined
  #isEnded = false

  constructor(options: SupervisorLinkOptions) {
    this.#options = options
    this.#arrived.promise.catch(() => undefined)
    this.#telling = setInterval(() => this.#tellUse(), limits.frontCode.useMs)
    this.#telling.unref()
    this.#connect()
  }

  /**
   * A link with a process that has a version of a site's code loaded. Rejects with the supervisor's error: `ERR_SITE_RESTING`
   * and `ERR_SANDBOX_BUSY` when there is none now, `ERR_SITE_CODE` for code that cannot be loaded, `ERR_CLOSED` when there
   * is no supervisor for `limits.frontCode.supervisorMs`.
   */
  async link(site: SiteName, version: number): Promise<CodeLink> {
    const key = `${site}@${version}`
    for (let tries = 0; tries < 2; tries += 1) {
      const process = await this.#need(key, site, version)
      const link = this.#links.get(process)
      if (link?.isOpen) return link
      this.#needed.delete(key) // It has ended since.
    }
    throw killed(`no process stays up for ${key}`)
  }

  /** Asks anew where a version is, the next time. */
  forget(site: SiteName, version: number): void {
    this.#needed.delete(`${site}@${version}`)
  }

  [Symbol.dispose](): void {
    this.#isEnded = true
    clearInterval(this.#telling)
    clearTimeout(this.#timer)
    this.#arrived.reject(new GroveError('ERR_CLOSED', 'front is ending'))
    this.#channel?.close()
    for (const link of this.#links.values()) link.close()
  }

  #need(key: string, site: SiteName, version: number): Promise<string> {
    const known = this.#needed.get(key)
    if (known) return known
    const asked = this.#ask(site, version)
    setNewest(this.#needed, key, asked, limits.frontCode.known)
    asked.catch(() => {
      if (this.#needed.get(key) === asked) this.#needed.delete(key)
    })
    return asked
  }

  async #ask(site: SiteName, version: number): Promise<string> {
    const channel = this.#channel ?? (await this.#nextChannel())
    const answer = await channel.call({ kind: 'need', site, version }, limits.frontCode.needMs)
    return neededSchema.parse(answer).process
  }

  async #nextChannel(): Promise<SupervisorChannel> {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      const away = () => reject(new GroveError('ERR_CLOSED', 'the supervisor of sandboxes is away'))
      timer = setTimeout(away, limits.frontCode.supervisorMs)
    })
    try {
      return await Promise.race([this.#arrived.promise, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #connect(): void {
    if (this.#isEnded) return
    const socket = connect(this.#options.socket)
    const retry = () => {
      this.#channel = undefined
      if (this.#isEnded) return
      this.#timer = setTimeout(() => this.#connect(), this.#waitMs)
      this.#timer.unref()
      this.#waitMs = Math.min(this.#waitMs * 2, limits.front.longestRetryMs)
    }
    socket.once('error', retry)
    socket.once('connect', () => {
      socket.off('error', retry)
      this.#waitMs = limits.front.firstRetryMs
      const channel: SupervisorChannel = new Channel(socket, {
        incoming: supervisorToFrontSchema,
        receive: (message) => this.#receive(message),
        closed: retry,
      })
      this.#channel = channel
      channel.send({ kind: 'hello', pid: process.pid })
      this.#arrived.resolve(channel)
      this.#arrived = Promise.withResolvers()
      this.#arrived.promise.catch(() => undefined)
    })
  }

  #receive(message: SupervisorToFront): unknown {
    switch (message.kind) {
      case 'link':
        return this.#open(message.process)
      case 'gone':
        return this.#gone(message.process, message.version)
      case 'ended': {
        const { process, code, reason } = message
        const details = { status: 503, code, retryAfterSeconds: 1 }
        this.#ending(process).said.resolve(new GroveError('ERR_CODE_FAILED', `${code}: ${reason}`, { details }))
        return undefined
      }
    }
  }

  /** Opens a link for a process that is about to start: a line says for which, and then it waits. */
  async #open(processId: string): Promise<unknown> {
    const socket = connect(this.#options.socket)
    await connected(socket)
    socket.write(`${JSON.stringify({ link: processId, front: process.pid })}\n`)
    const link = new CodeLink({
      socket,
      ended: (link, fault) => this.#linkEnded(processId, link, fault),
      whyEnded: () => this.#whyEnded(processId),
    })
    this.#links.set(processId, link)
    return {}
  }

  #gone(process: string, version: number | undefined): unknown {
    const suffix = version === undefined ? '' : `@${version}`
    for (const [key, asked] of [...this.#needed]) {
      if (!key.endsWith(suffix)) continue
      void asked.then(
        (found) => {
          if (found === process && this.#needed.get(key) === asked) this.#needed.delete(key)
        },
        () => undefined,
      )
    }
    return { underWay: this.#links.get(process)?.underWay ?? 0 }
  }

  #linkEnded(process: string, link: CodeLink, fault: string | undefined): void {
    if (this.#links.get(process) === link) this.#links.delete(process)
    if (fault === undefined) {
      void this.#linkLost(process)
      return
    }
    this.#options.log.warn({ sandbox: process, fault }, 'a sandbox has sent what none may send; its link is ended')
    this.#channel?.send({ kind: 'broken', process, reason: fault.slice(0, 1_000) })
  }

  /** A process that has closed its link and lives on would be found again and again, and serve nobody here. */
  async #linkLost(process: string): Promise<void> {
    if (this.#isEnded || (await this.#whyEnded(process)) || this.#isEnded) return
    this.#channel?.send({ kind: 'broken', process, reason: 'it has closed its link with a front' })
  }

  #ending(process: string): Ending {
    const known = this.#endings.get(process)
    if (known) return known
    const ending = { said: Promise.withResolvers<GroveError | undefined>() }
    setNewest(this.#endings, process, ending, limits.frontCode.known)
    return ending
  }

  async #whyEnded(process: string): Promise<GroveError | undefined> {
    const { said } = this.#ending(process)
    const timer = setTimeout(() => said.resolve(undefined), limits.frontCode.endingMs)
    try {
      return await said.promise
    } finally {
      clearTimeout(timer)
    }
  }

  #tellUse(): void {
    if (!this.#channel?.open) return
    const processes = [...this.#links].flatMap(([process, link]) => {
      const use = link.use()
      return use ? [{ process, ...use }] : []
    })
    if (processes.length > 0) this.#channel.send({ kind: 'used', processes })
  }
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve()
    })
  })
}
