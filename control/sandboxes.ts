/**
 * Control's line to the supervisor of sandboxes, which connects here when it starts and when the line broke: what it is
 * told of sites, and what it asks (code-calls.ts).
 *
 * Only one supervisor is believed at a time, the one that came last; the parent starts no second one.
 */

import { createServer, type Server, type Socket } from 'node:net'
import type { Logger } from 'pino'
import { Channel } from '../core/channel.ts'
import { isGroveError, toGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SiteName, VersionNumber } from '../core/names.ts'
import { setNewest } from '../core/newest.ts'
import { listenPrivately } from '../core/private-socket.ts'
import {
  type Capability,
  type ControlToSupervisor,
  type SiteUsage,
  type SupervisorStatus,
  type SupervisorToControl,
  siteUsageListSchema,
  supervisorStatusSchema,
  supervisorToControlSchema,
} from '../core/supervisor-messages.ts'

/** What a supervisor asks. */
export type SupervisorAsk = Exclude<SupervisorToControl, { kind: 'hello' }>

/** What the line is made with. */
export interface SandboxesOptions {
  /** Path of the socket. */
  readonly socket: string
  /** Does what the supervisor asks. */
  readonly asked: (message: SupervisorAsk) => Promise<unknown>
  readonly log: Logger
}

/** What is known of sandboxes when nobody answers: what the supervisor found when it last came. */
export interface SandboxesState {
  readonly capabilities: readonly Capability[]
  /** Undefined when no supervisor answers. */
  readonly status: SupervisorStatus | undefined
}

interface Line {
  readonly channel: Channel<SupervisorToControl, ControlToSupervisor>
  readonly capabilities: readonly Capability[]
}

/** The line to the supervisor. */
export class Sandboxes implements AsyncDisposable {
  readonly #options: SandboxesOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #line: Line | undefined
  #capabilities: readonly Capability[] = []
  /** What a supervisor that is away has to be told when it is back. Keyed by site. */
  readonly #missed = new Map<SiteName, 'changed' | 'deleted'>()

  constructor(options: SandboxesOptions) {
    this.#options = options
    this.#server = createServer((socket) => this.#accept(socket))
  }

  /** Listens for the supervisor. Throws `ERR_PORT`. */
  async listen(): Promise<void> {
    await listenPrivately(this.#server, this.#options.socket)
  }

  /**
   * Tells that a version with code is live, and resolves when it is loaded where the site has a process. Never rejects,
   * and waits a bounded time: what does not load is in the site's log, and visitors are told by their requests.
   */
  async announce(site: SiteName, version: VersionNumber): Promise<void> {
    const call = this.#line?.channel.call({ kind: 'live', site, version }, limits.sandboxControl.liveMs)
    await call?.catch((thrown: unknown) => {
      const error = toGroveError(thrown)
      this.#options.log.warn(
        { site, version, code: error.code },
        `the code of a version is not loaded: ${error.message}`,
      )
    })
  }

  /** Variables, secrets or limits of a site have changed. */
  changed(site: SiteName): void {
    this.#tell({ kind: 'changed', site })
  }

  /** A site is deleted: what runs of it ends. */
  deleted(site: SiteName): void {
    this.#tell({ kind: 'deleted', site })
  }

  /** Lets a site out of quarantine. Where no supervisor is there, none is in it. */
  async release(site: SiteName): Promise<void> {
    await this.#line?.channel.call({ kind: 'release', site }, limits.sandboxControl.statusMs)
  }

  /** What the supervisor says of itself, if it answers in time. */
  async state(): Promise<SandboxesState> {
    const answer = await this.#ask({ kind: 'status' }, limits.sandboxControl.statusMs)
    return { capabilities: this.#capabilities, status: supervisorStatusSchema.safeParse(answer).data }
  }

  /** What sites' code has used since it was last taken; of a supervisor that does not answer, nothing. */
  async takeUsage(): Promise<SiteUsage[]> {
    const answer = await this.#ask({ kind: 'usage' }, limits.sandboxControl.usageMs)
    return siteUsageListSchema.safeParse(answer).data ?? []
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  async #ask(message: ControlToSupervisor, timeoutMs: number): Promise<unknown> {
    return this.#line?.channel.call(message, timeoutMs).catch(() => undefined)
  }

  #tell(message: Extract<ControlToSupervisor, { kind: 'changed' | 'deleted' }>): void {
    if (this.#line?.channel.open) this.#line.channel.send(message)
    else setNewest(this.#missed, message.site, message.kind, limits.sandboxControl.missed)
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    const silent = setTimeout(() => socket.destroy(), limits.sandboxControl.helloMs)
    const channel: Line['channel'] = new Channel<SupervisorToControl, ControlToSupervisor>(socket, {
      incoming: supervisorToControlSchema,
      receive: async (message) => {
        if (message.kind !== 'hello') return this.#answer(message)
        clearTimeout(silent)
        this.#hello({ channel, capabilities: message.capabilities })
        return {}
      },
      closed: (error) => {
        clearTimeout(silent)
        this.#sockets.delete(socket)
        if (error) this.#options.log.warn({ err: error }, 'line to the supervisor of sandboxes broke')
        if (this.#line?.channel === channel) this.#line = undefined
      },
    })
  }

  #hello(line: Line): void {
    this.#line?.channel.close()
    this.#line = line
    this.#capabilities = line.capabilities
    for (const [site, kind] of this.#missed) line.channel.send({ kind, site })
    this.#missed.clear()
  }

  /** What site code asked for and does not get is its author's business; the rest is told here. */
  async #answer(message: SupervisorAsk): Promise<unknown> {
    try {
      return await this.#options.asked(message)
    } catch (error) {
      const isOwn = toGroveError(error).status >= 500 && !isGroveError(error, 'ERR_CLOSED')
      if (isOwn)
        this.#options.log.error({ err: error, asked: message.kind }, 'the supervisor of sandboxes asked in vain')
      throw error
    }
  }
}
