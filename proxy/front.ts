/**
 * A front: the process that serves visitors. It puts the parts of this folder together and holds what control tells.
 *
 * A front never writes and never waits for control on a static hit. Its secrets are TLS keys, the session keys and the
 * identity key, nothing else: no store, no accounts, no site code.
 */

import { BlockList } from 'node:net'
import type { Logger } from 'pino'
import { createContexts } from '../certs/contexts.ts'
import type { Exchange, Outcome } from '../core/exchange.ts'
import type { Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { ControlToFront, FrontKeys, FrontStats, ListenerName } from '../core/messages.ts'
import type { Session } from '../core/session.ts'
import { beginNote, logAccess, logRejection, noteUpstream } from './access-log.ts'
import { createBlobCache } from './blob-cache.ts'
import { ControlLink } from './control-link.ts'
import { createDynamic, type Dynamic } from './dynamic.ts'
import { answerError } from './error-page.ts'
import { createIdentity, type Identity } from './identity.ts'
import { createTransport, type Transport, type UpgradeConnection } from './listen.ts'
import { loadTable } from './load-table.ts'
import { createMissingContents } from './missing-contents.ts'
import { connectionsFor, openFileLimit } from './open-files.ts'
import { createPluginRoutes, type PluginRoutes } from './plugin-routes.ts'
import { createRemoteUpstream } from './remote-upstream.ts'
import { answerReserved } from './reserved.ts'
import { createRevocations } from './revocations.ts'
import { type RouteOptions, routeExchange } from './route.ts'
import { sessionOf } from './session-check.ts'
import { type Settings, settingsFor, toSettings } from './settings.ts'
import { enterEpoch, leaveEpoch, type SiteRuntime, settled } from './site-runtime.ts'
import { SiteTable } from './site-table.ts'
import { UpstreamPools } from './upstream-pools.ts'
import { UsageCounter } from './usage.ts'
import { whenLoaded } from './when-loaded.ts'

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
  readonly #transport: Transport
  readonly #link: ControlLink
  readonly #contexts: ReturnType<typeof createContexts>
  readonly #cache: ReturnType<typeof createBlobCache>
  readonly #revocations: ReturnType<typeof createRevocations>
  readonly #dynamic: Dynamic
  readonly #pluginRoutes: PluginRoutes
  readonly #routing: RouteOptions
  readonly #usage = new UsageCounter()
  #settings: Settings | undefined
  #prepared: Settings | undefined
  #keys: FrontKeys | undefined
  #identity: Identity | undefined
  #requests = 0

  constructor(options: FrontOptions) {
    this.#options = options
    this.#log = options.log
    const missing = createMissingContents(() => this.#link)
    this.#cache = createBlobCache({ layout: options.layout, missing, log: options.log })
    this.#revocations = createRevocations(limits.front.revocations)
    this.#contexts = createContexts({ request: (name) => this.#link.certificate(name), log: options.log })
    this.#pluginRoutes = createPluginRoutes(options.layout, () => this.#publicPort)
    this.#dynamic = createDynamic({
      log: options.log,
      identity: () => this.#identity,
      middleware: () => this.#settings?.middleware,
      publicPort: () => this.#publicPort,
    })
    this.#upstreams = new UpstreamPools({ create: createRemoteUpstream, gone: (name) => this.#dynamic.closeSite(name) })
    this.#sites = new SiteTable({
      load: (compiled, before, grown) => loadTable(options.layout, compiled, before, grown),
      ask: (name) => this.#link.site(name),
      upstreams: this.#upstreams,
      failed: (name, error) => this.#log.error({ err: error, site: name }, 'site keeps its last state'),
    })
    this.#routing = {
      cache: this.#cache,
      sessionOf: (exchange, site) => this.#sessionOf(exchange, site),
      dynamic: (exchange, site, session) => this.#handOff(exchange, site, session),
      reserved: (exchange, site) => this.#reserved(exchange, site),
    }
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
    this.#contexts[Symbol.dispose]()
    await this.#upstreams.close()
    await this.#pluginRoutes.close()
  }

  #createTransport(): Transport {
    return createTransport({
      secureContext: (name) => this.#contexts.get(name),
      ticketKeys: Buffer.alloc(48),
      begun: (exchange) => this.#begun(exchange),
      handle: (exchange) => this.#handle(exchange),
      upgrade: (exchange, connection) => this.#upgrade(exchange, connection),
      finished: (exchange, outcome) => this.#finished(exchange, outcome),
      rejected: (rejection) => logRejection(this.#log, rejection),
      limits: { connectionsPerFront: connectionsFor(openFileLimit()) },
      settings: () => ({
        httpsPort: this.#publicPort,
        trustedProxies: this.#settings?.trustedProxies ?? new BlockList(),
        serves: (authority) => this.#sites.nameAt(authority) !== undefined,
      }),
      log: this.#log,
    })
  }

  #begun(exchange: Exchange): void {
    this.#requests += 1
    const site = this.#sites.at(exchange.authority)
    exchange.note = beginNote(site?.state.name ?? this.#sites.nameAt(exchange.authority), site?.table?.version)
  }

  #handle(exchange: Exchange): void {
    const site = this.#sites.at(exchange.authority)
    if (site) this.#serve(exchange, site)
    else void whenLoaded(exchange, this.#sites, (loaded) => this.#serve(exchange, loaded), this.#log)
  }

  #serve(exchange: Exchange, site: SiteRuntime): void {
    if (exchange.note) exchange.note.how = 'static'
    enterEpoch(exchange, site.epoch)
    routeExchange(exchange, site, this.#routing)
  }

  #finished(exchange: Exchange, outcome: Outcome): void {
    leaveEpoch(exchange)
    if (this.#settings?.raw.metered) this.#usage.count(exchange.note, outcome)
    if (this.#settings?.raw.accessLog === false) return
    // Nobody asks on the way of a static hit; the answer is out by now, and without a session cookie this costs nothing.
    const site = exchange.note?.how === 'static' ? this.#sites.at(exchange.authority) : undefined
    if (exchange.note && site) exchange.note.userId = this.#sessionOf(exchange, site)?.userId
    logAccess(this.#log, exchange, outcome)
  }

  #handOff(exchange: Exchange, site: SiteRuntime, session: Session | undefined): void {
    // What an upstream or a plugin answers is of no version: it does not hold up the settling of one.
    leaveEpoch(exchange)
    if (!site.upstream) {
      answerError(exchange, 404)
      return
    }
    noteUpstream(exchange, session)
    this.#dynamic.handle(exchange, { state: site.state, info: site.info, upstream: site.upstream }, session)
  }

  #upgrade(exchange: Exchange, connection: UpgradeConnection): void {
    const site = this.#sites.at(exchange.authority)
    if (site) this.#openTunnel(exchange, connection, site)
    else void whenLoaded(exchange, this.#sites, (site) => this.#openTunnel(exchange, connection, site), this.#log)
  }

  #openTunnel(exchange: Exchange, connection: UpgradeConnection, site: SiteRuntime): void {
    if (!site.upstream || exchange.path.startsWith('/.grove/')) {
      answerError(exchange, 404)
      return
    }
    const session = this.#sessionOf(exchange, site)
    noteUpstream(exchange, session)
    const target = { state: site.state, info: site.info, upstream: site.upstream }
    this.#dynamic.upgrade(exchange, connection, target, session)
  }

  #reserved(exchange: Exchange, site: SiteRuntime): void {
    leaveEpoch(exchange)
    answerReserved(exchange, site.info, {
      identity: this.#identity,
      routed: this.#settings?.routed,
      pluginRoutes: this.#pluginRoutes,
      session: () => this.#sessionOf(exchange, site),
    })
  }

  get #publicPort(): number {
    return this.#settings?.raw.httpsPort ?? 443
  }

  #sessionOf(exchange: Exchange, site: SiteRuntime): Session | undefined {
    if (!this.#keys) return undefined
    return sessionOf(exchange, site.state.name, this.#keys.session, this.#revocations, Date.now())
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
    this.#transport.setTicketKeys(Buffer.from(keys.ticket, 'base64'))
  }

  #linkChanged(connected: boolean, error: Error | undefined): void {
    if (connected) this.#log.debug('connected to control')
    else if (this.#settings) this.#log.warn({ err: error }, 'control is away, serving on with what is known')
  }

  #stats(): FrontStats {
    return {
      pid: process.pid,
      connections: this.#transport.connections,
      requests: this.#requests,
      webSockets: this.#dynamic.webSockets,
      cacheBytes: this.#cache.bytes,
      memoryBytes: process.memoryUsage.rss(),
      uptimeSeconds: process.uptime(),
    }
  }
}
