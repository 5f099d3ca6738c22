/**
 * A front: the process that serves visitors. It puts the parts of this folder together and holds what control tells.
 *
 * A front never writes and never waits for control on a static hit. Its secrets are TLS keys, the session keys and the
 * identity key, nothing else: no store, no accounts, no site code.
 */

import { BlockList } from 'node:net'
import type { Logger } from 'pino'
import { createContexts } from '../certs/contexts.ts'
import type { Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { ControlToFront, FrontKeys, FrontStats, ListenerName } from '../core/messages.ts'
import { logRejection } from './access-log.ts'
import { createBlobCache } from './blob-cache.ts'
import { createCodeUpstream } from './code-upstream.ts'
import { ControlLink } from './control-link.ts'
import { createDynamic, type Dynamic } from './dynamic.ts'
import { createIdentity, type Identity } from './identity.ts'
import { createTransport, type Transport } from './listen.ts'
import { loadTable } from './load-table.ts'
import { createMissingContents } from './missing-contents.ts'
import { connectionsFor, openFileLimit } from './open-files.ts'
import { createPluginRoutes, type PluginRoutes } from './plugin-routes.ts'
import { createRemoteUpstream } from './remote-upstream.ts'
import { createRevocations } from './revocations.ts'
import { type Settings, settingsFor, toSettings } from './settings.ts'
import { settled } from './site-runtime.ts'
import { SiteTable } from './site-table.ts'
import { SupervisorLink } from './supervisor-link.ts'
import { UpstreamPools } from './upstream-pools.ts'
import { UsageCounter } from './usage.ts'
import { Visits } from './visits.ts'

/** What a front is made with. */
export interface FrontOptions {
  readonly layout: Layout
  /** Which of the fronts this is, from 0. */
  readonly index: number
  readonly log: Logger
  /** Called once, when the first state from control is in force. */
  readonly ready: () => void
}

/** One front: takes listening sockets from the parent and serves. */
export class Front {
  readonly #options: FrontOptions
  readonly #log: Logger
  readonly #upstreams: UpstreamPools
  readonly #sites: SiteTable
  readonly #supervisor: SupervisorLink
  readonly #transport: Transport
  readonly #link: ControlLink
  readonly #contexts: ReturnType<typeof createContexts>
  readonly #cache: ReturnType<typeof createBlobCache>
  readonly #revocations: ReturnType<typeof createRevocations>
  readonly #dynamic: Dynamic
  readonly #pluginRoutes: PluginRoutes
  readonly #visits: Visits
  readonly #usage = new UsageCounter()
  #settings: Settings | undefined
  #prepared: Settings | undefined
  #keys: FrontKeys | undefined
  #identity: Identity | undefined

  constructor(options: FrontOptions) {
    this.#options = options
    this.#log = options.log
    const missing = createMissingContents(() => this.#link)
    this.#cache = createBlobCache({ layout: options.layout, missing, log: options.log })
    this.#revocations = createRevocations(limits.front.revocations)
    this.#contexts = createContexts({
      request: (name, address) => this.#link.certificate(name, address),
      clientRoots: (name) => this.#sites.clientRule(name)?.roots,
      log: options.log,
    })
    this.#pluginRoutes = createPluginRoutes(options.layout, () => this.#publicPort)
    this.#dynamic = createDynamic({
      log: options.log,
      identity: () => this.#identity,
      middleware: () => this.#settings?.middleware,
      publicPort: () => this.#publicPort,
    })
    this.#upstreams = new UpstreamPools({ create: createRemoteUpstream, gone: (name) => this.#dynamic.closeSite(name) })
    this.#supervisor = new SupervisorLink({ socket: options.layout.supervisorSocket, log: options.log })
    this.#sites = new SiteTable({
      load: (compiled, before, grown) => loadTable(options.layout, compiled, before, grown),
      ask: (name) => this.#link.site(name),
      upstreams: this.#upstreams,
      code: (name, version) => createCodeUpstream(name, version, this.#supervisor),
      failed: (name, error) => this.#log.error({ err: error, site: name }, 'site keeps its last state'),
    })
    this.#visits = new Visits({
      sites: this.#sites,
      cache: this.#cache,
      dynamic: this.#dynamic,
      pluginRoutes: this.#pluginRoutes,
      revocations: this.#revocations,
      usage: this.#usage,
      inForce: () => ({ settings: this.#settings, keys: this.#keys, identity: this.#identity }),
      log: options.log,
    })
    this.#transport = this.#createTransport()
    this.#link = new ControlLink({
      socket: options.layout.frontSocket,
      index: options.index,
      loaded: () => this.#sites.loaded,
      receive: (message) => this.#receive(message),
      changed: (connected, error) => this.#linkChanged(connected, error),
    })
  }

  /** Accepts connections from a listening socket of the parent. `key` names the socket. */
  async listen(name: ListenerName, key: string, handle: unknown): Promise<void> {
    await this.#transport.listen(name, key, handle)
  }

  /** Accepts no more from a socket; open connections go on. */
  unlisten(key: string): void {
    this.#transport.unlisten(key)
  }

  /** Accepts nothing more and resolves when what is under way has ended, after `withinMs` at the latest. */
  async drain(withinMs: number): Promise<void> {
    // WebSockets have no end to wait for: their clients come back to whoever serves next.
    this.#dynamic.close()
    await this.#transport.drain(withinMs)
    await this.#link.giveUsage(this.#usage.take())
    this.#link[Symbol.dispose]()
    this.#supervisor[Symbol.dispose]()
    this.#contexts[Symbol.dispose]()
    await this.#upstreams.close()
    await this.#pluginRoutes.close()
  }

  #createTransport(): Transport {
    return createTransport({
      secureContext: (name, asker) => this.#contexts.get(name, asker),
      ticketKeys: Buffer.alloc(48),
      begun: (exchange) => this.#visits.begun(exchange),
      handle: (exchange) => this.#visits.handle(exchange),
      upgrade: (exchange, connection) => this.#visits.upgrade(exchange, connection),
      finished: (exchange, outcome) => this.#visits.finished(exchange, outcome),
      rejected: (rejection) => logRejection(this.#log, rejection),
      limits: { connectionsPerFront: connectionsFor(openFileLimit()) },
      settings: () => ({
        httpsPort: this.#publicPort,
        hsts: this.#settings?.raw.hsts,
        hasClientRules: this.#sites.hasClientRules,
        clientRule: (authority) => this.#sites.clientRule(authority),
        trustedProxies: this.#settings?.trustedProxies ?? new BlockList(),
        serves: (authority) => this.#sites.nameAt(authority) !== undefined,
      }),
      log: this.#log,
    })
  }

  get #publicPort(): number {
    return this.#settings?.raw.httpsPort ?? 443
  }

  async #receive(message: ControlToFront): Promise<unknown> {
    switch (message.kind) {
      case 'prepare':
        this.#prepared = await toSettings(message.settings)
        return {}
      case 'state':
        return this.#takeState(message)
      case 'site':
        // Handshakes for these names may have been refused a moment ago, when no site had them.
        this.#contexts.forget(message.site.authorities.filter((authority) => !this.#sites.nameAt(authority)))
        await this.#sites.put(message.site)
        return {}
      case 'gone':
        this.#sites.remove(message.name)
        return {}
      case 'loaded':
        return this.#sites.loaded
      case 'settle':
        await settled(this.#sites.earlier(message.name), limits.front.settleMs)
        return {}
      case 'revoke':
        this.#revocations.add(message.revocations)
        this.#dynamic.closeRevoked((session) => this.#revocations.isRevoked(session))
        return {}
      case 'keys':
        this.#takeKeys(message.keys)
        return {}
      case 'challenges':
        this.#transport.setChallenges(message.challenges)
        return {}
      case 'forget-certificates':
        this.#contexts.forget(message.names)
        return {}
      case 'stats':
        return this.#stats()
      case 'usage':
        return this.#usage.take()
    }
  }

  async #takeState(state: Extract<ControlToFront, { kind: 'state' }>): Promise<unknown> {
    const first = this.#settings === undefined
    const settings = await settingsFor(state.settings, [this.#prepared, this.#settings])
    this.#revocations.add(state.revocations)
    this.#takeKeys(state.keys)
    this.#transport.setChallenges(state.challenges)
    const fresh = await this.#sites.replace({ ...state, domain: state.settings.domain })
    this.#contexts.forget(fresh)
    // What was counted before it was wanted is nobody's.
    if (!this.#settings?.raw.metered) this.#usage.take()
    this.#settings = settings
    this.#prepared = undefined
    this.#log.level = settings.raw.logLevel
    if (first) this.#options.ready()
    return {}
  }

  #takeKeys(keys: FrontKeys): void {
    this.#keys = keys
    this.#identity = createIdentity(keys)
    const [current, ...previous] = [keys.ticket, ...(keys.otherTickets ?? [])].map((key) => Buffer.from(key, 'base64'))
    if (current) this.#transport.setTicketKeys({ current, previous })
  }

  #linkChanged(connected: boolean, error: Error | undefined): void {
    if (connected) this.#log.debug('connected to control')
    else if (this.#settings) this.#log.warn({ err: error }, 'control is away, serving on with what is known')
  }

  #stats(): FrontStats {
    return {
      pid: process.pid,
      connections: this.#transport.connections,
      requests: this.#visits.count,
      webSockets: this.#dynamic.webSockets,
      cacheBytes: this.#cache.bytes,
      memoryBytes: process.memoryUsage.rss(),
      uptimeSeconds: process.uptime(),
    }
  }
}
