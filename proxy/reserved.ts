/** Paths under `/.grove/`: the keys that upstreams verify identities with, and the routes of plugins. */

import type { Exchange } from '../core/exchange.ts'
import type { SiteInfo } from '../core/plugin.ts'
import type { Session } from '../core/session.ts'
import { answerError } from './error-page.ts'
import type { Identity } from './identity.ts'
import type { PluginRoutes } from './plugin-routes.ts'

/** What answers reserved paths at this moment. */
export interface ReservedParts {
  readonly identity: Identity | undefined
  /** Plugins that have routes. */
  readonly routed: ReadonlySet<string> | undefined
  readonly pluginRoutes: PluginRoutes
  readonly session: () => Session | undefined
}

const jwksHeaders: readonly string[] = [
  'content-type',
  'application/jwk-set+json',
  'cache-control',
  'public, max-age=300',
  'x-content-type-options',
  'nosniff',
]

/** Answers a request for `/.grove/…`: `jwks.json`, a plugin's routes, else 404. */
export function answerReserved(exchange: Exchange, site: SiteInfo, parts: ReservedParts): void {
  const { path, method } = exchange
  if (path === '/.grove/jwks.json' && parts.identity && (method === 'GET' || method === 'HEAD')) {
    exchange.respond(200, jwksHeaders, Buffer.from(parts.identity.jwks))
    return
  }
  const plugin = path.split('/', 3)[2] ?? ''
  if (!parts.routed?.has(plugin)) {
    answerError(exchange, 404)
    return
  }
  const session = parts.session()
  if (exchange.note) {
    exchange.note.how = 'plugin'
    exchange.note.userId = session?.userId
  }
  parts.pluginRoutes.handle(exchange, site, session)
}
