/**
 * From an exchange to who answers it: reserved paths, the static version, or the site's upstream; of paths where CAs look
 * for proofs nobody, unless the operator lets the site.
 *
 * Two lines of thought decide all: what is the same for everyone is static; everything else is dynamic. A read of a
 * file that is not personal, or by a visitor without a session, never reaches an upstream.
 */

import { type CodeRoute, routeOf } from '../core/code-routes.ts'
import type { Exchange } from '../core/exchange.ts'
import { limits } from '../core/limits.ts'
import type { Session } from '../core/session.ts'
import type { Upstream } from '../core/upstream.ts'
import type { BlobCache } from './blob-cache.ts'
import type { CodeUpstream } from './code-upstream.ts'
import { answerError } from './error-page.ts'
import type { RemoteUpstream } from './remote-upstream.ts'
import type { SiteRuntime } from './site-runtime.ts'
import { answerMethodNotAllowed, serveNotFound, serveStatic } from './static.ts'
import type { StaticEntry } from './table.ts'

/** What routing needs from the front. */
export interface RouteOptions {
  readonly cache: BlobCache
  readonly sessionOf: (exchange: Exchange, site: SiteRuntime) => Session | undefined
  /** Hands the request to an upstream of the site, or to its code. */
  readonly dynamic: (exchange: Exchange, site: SiteRuntime, upstream: Upstream, session: Session | undefined) => void
  /** Answers paths under `/.grove/`. */
  readonly reserved: (exchange: Exchange, site: SiteRuntime) => void
}

const reservedPrefix = '/.grove/'

/**
 * Where CAs look whether a name is somebody's (RFC 8555 section 8.3; Baseline Requirements, section 3.2.2.4.18). Whoever
 * answers there can have certificates for the name from CAs of their own choice, and that is not the author of a page.
 */
const proofPrefixes = ['/.well-known/acme-challenge/', '/.well-known/pki-validation/']

const retryAfter = ['retry-after', String(limits.control.recompileEveryMs / 1_000)]

/** Answers one exchange of a site. */
export function routeExchange(exchange: Exchange, site: SiteRuntime, options: RouteOptions): void {
  if (exchange.path.startsWith(reservedPrefix)) {
    options.reserved(exchange, site)
    return
  }
  if (isOfProof(exchange.path) && site.state.provesNames !== true) {
    // Of what CAs ask for on our own behalf the plain port knows the answer, and it never comes here.
    answerError(exchange, 404)
    return
  }
  const isRead = isReading(exchange)
  const { table, code } = site
  const route = code && routeOf(code.routes, exchange.path)
  const entry = table?.get(exchange.path)
  if (route !== 'code' && isRead && table && entry && isForEveryone(exchange, site, entry, options)) {
    serveStatic(exchange, table, entry, options.cache)
    return
  }
  if (isRead && !table && site.state.unavailable) {
    // The version is there and could not be read yet: no 404, which search engines and caches would believe.
    answerError(exchange, 503, { headers: retryAfter, error: 'the live version cannot be put in force' })
    return
  }
  const upstream = upstreamFor(site, route)
  if (upstream) options.dynamic(exchange, site, upstream, options.sessionOf(exchange, site))
  else answerWithout(exchange, site, entry, options)
}

/** Answers as if the site had no code: its file if there is one. */
export function answerFromFiles(exchange: Exchange, site: SiteRuntime, options: Pick<RouteOptions, 'cache'>): void {
  const entry = site.table?.get(exchange.path)
  if (isReading(exchange) && site.table && entry) serveStatic(exchange, site.table, entry, options.cache)
  else answerWithout(exchange, site, entry, options)
}

/** Who answers what no file does: the operator's servers, or the site's code where a route says so or there are none. */
function upstreamFor(
  { upstream, code }: SiteRuntime,
  route: CodeRoute['to'] | undefined,
): RemoteUpstream | CodeUpstream | undefined {
  if (route === 'code') return code?.upstream
  return upstream ?? (route === 'static' ? undefined : code?.upstream)
}

/** Who takes a WebSocket: as for requests, but no file does. */
export function socketUpstreamFor(exchange: Exchange, site: SiteRuntime): RemoteUpstream | CodeUpstream | undefined {
  return upstreamFor(site, site.code && routeOf(site.code.routes, exchange.path))
}

function answerWithout(
  exchange: Exchange,
  { table }: SiteRuntime,
  entry: StaticEntry | undefined,
  { cache }: Pick<RouteOptions, 'cache'>,
): void {
  if (!table) answerError(exchange, 404)
  else if (entry && !isReading(exchange)) answerMethodNotAllowed(exchange, table)
  else serveNotFound(exchange, table, cache)
}

function isReading({ method }: Exchange): boolean {
  return method === 'GET' || method === 'HEAD'
}

function isOfProof(path: string): boolean {
  return path.startsWith('/.well-known/') && proofPrefixes.some((prefix) => path.startsWith(prefix))
}

/** Whether this visitor gets the file from the static version. The session is looked at only where it matters. */
function isForEveryone(exchange: Exchange, site: SiteRuntime, entry: StaticEntry, options: RouteOptions): boolean {
  return !site.upstream || !entry.personal || options.sessionOf(exchange, site) === undefined
}
