/**
 * What becomes of each request of a front: to which site it goes, who answers it, and what is noted of it in the end.
 */

import type { Logger } from 'pino'
import type { Exchange, Outcome } from '../core/exchange.ts'
import type { FrontKeys } from '../core/messages.ts'
import type { Session } from '../core/session.ts'
import type { Upstream } from '../core/upstream.ts'
import { beginNote, logAccess, noteUpstream } from './access-log.ts'
import type { BlobCache } from './blob-cache.ts'
import type { Dynamic } from './dynamic.ts'
import { answerError } from './error-page.ts'
import type { Identity } from './identity.ts'
import type { PluginRoutes } from './plugin-routes.ts'
import { answerReserved } from './reserved.ts'
import type { createRevocations } from './revocations.ts'
import { answerFromFiles, type RouteOptions, routeExchange, socketUpstreamFor } from './route.ts'
import { sessionOf } from './session-check.ts'
import type { Settings } from './settings.ts'
import { enterEpoch, leaveEpoch, type SiteRuntime } from './site-runtime.ts'
import type { SiteTable } from './site-table.ts'
import type { UpgradeConnection } from './transport.ts'
import type { UsageCounter } from './usage.ts'
import { whenLoaded } from './when-loaded.ts'

/** What control has told that requests depend on; undefined before its first word. */
export interface InForce {
  readonly settings: Settings | undefined
  readonly keys: FrontKeys | undefined
  readonly identity: Identity | undefined
}

/** Who takes part in an answer. */
export interface VisitsOptions {
  readonly sites: SiteTable
  readonly cache: BlobCache
  readonly dynamic: Dynamic
  readonly pluginRoutes: PluginRoutes
  readonly revocations: ReturnType<typeof createRevocations>
  readonly usage: UsageCounter
  readonly inForce: () => InForce
  readonly log: Logger
}

/** The requests of a front. */
export class Visits {
  readonly #options: VisitsOptions
  readonly #routing: RouteOptions
  /** Requests that have begun since the front did. */
  count = 0

  constructor(options: VisitsOptions) {
    this.#options = options
    this.#routing = {
      cache: options.cache,
      sessionOf: (exchange, site) => this.#sessionOf(exchange, site),
      dynamic: (exchange, site, upstream, session) => this.#handOff(exchange, site, upstream, session),
      reserved: (exchange, site) => this.#reserved(exchange, site),
    }
  }

  /** A request has come. */
  begun(exchange: Exchange): void {
    const { sites } = this.#options
    this.count += 1
    const site = sites.at(exchange.authority)
    exchange.note = beginNote(site?.state.name ?? sites.nameAt(exchange.authority), site?.table?.version)
  }

  /** Sees to it that a request is answered. */
  handle(exchange: Exchange): void {
    const { sites, log } = this.#options
    const site = sites.at(exchange.authority)
    if (site) this.#serve(exchange, site)
    else void whenLoaded(exchange, sites, (loaded) => this.#serve(exchange, loaded), log)
  }

  /** Sees to it that a WebSocket handshake is answered or becomes a tunnel. */
  upgrade(exchange: Exchange, connection: UpgradeConnection): void {
    const { sites, log } = this.#options
    const site = sites.at(exchange.authority)
    if (site) this.#openTunnel(exchange, connection, site)
    else void whenLoaded(exchange, sites, (site) => this.#openTunnel(exchange, connection, site), log)
  }

  /** A request is over. */
  finished(exchange: Exchange, outcome: Outcome): void {
    leaveEpoch(exchange)
    const { sites, usage, inForce, log } = this.#options
    const { settings } = inForce()
    if (settings?.raw.metered) usage.count(exchange.note, outcome)
    if (settings?.raw.accessLog === false) return
    // Nobody asks on the way of a static hit; the answer is out by now, and without a session cookie this costs nothing.
    const site = exchange.note?.how === 'static' ? sites.at(exchange.authority) : undefined
    if (exchange.note && site) exchange.note.userId = this.#sessionOf(exchange, site)?.userId
    logAccess(log, exchange, outcome)
  }

  #serve(exchange: Exchange, site: SiteRuntime): void {
    if (exchange.note) exchange.note.how = 'static'
    enterEpoch(exchange, site.epoch)
    routeExchange(exchange, site, this.#routing)
  }

  #handOff(exchange: Exchange, site: SiteRuntime, upstream: Upstream, session: Session | undefined): void {
    // What an upstream or a plugin answers is of no version: it does not hold up the settling of one.
    leaveEpoch(exchange)
    noteUpstream(exchange, session)
    const passed = () => answerFromFiles(exchange, site, this.#routing)
    this.#options.dynamic.handle(exchange, { state: site.state, info: site.info, upstream, passed }, session)
  }

  #openTunnel(exchange: Exchange, connection: UpgradeConnection, site: SiteRuntime): void {
    const upstream = socketUpstreamFor(exchange, site)
    if (!upstream || exchange.path.startsWith('/.grove/')) {
      answerError(exchange, 404)
      return
    }
    const session = this.#sessionOf(exchange, site)
    noteUpstream(exchange, session)
    this.#options.dynamic.upgrade(exchange, connection, { state: site.state, info: site.info, upstream }, session)
  }

  #reserved(exchange: Exchange, site: SiteRuntime): void {
    leaveEpoch(exchange)
    const { identity, settings } = this.#options.inForce()
    answerReserved(exchange, site.info, {
      identity,
      routed: settings?.routed,
      pluginRoutes: this.#options.pluginRoutes,
      session: () => this.#sessionOf(exchange, site),
    })
  }

  #sessionOf(exchange: Exchange, site: SiteRuntime): Session | undefined {
    const { keys } = this.#options.inForce()
    if (!keys) return undefined
    return sessionOf(exchange, site.state.name, keys.session, this.#options.revocations, Date.now())
  }
}
