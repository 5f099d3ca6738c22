/**
 * From an exchange to who answers it: reserved paths, the static version, or the site's upstream; of paths where CAs look
 * for proofs nobody, unless the operator lets the site.
 *
 * Two lines of thought decide all: what is the same for everyone is static; everything else is dynamic. A read of a
 * file that is not personal, or by a visitor without a session, never reaches an upstream.
 */

import type { Exchange } from '../core/exchange.ts'
import { limits } from '../core/limits.ts'
import type { Session } from '../core/session.ts'
import type { BlobCache } from './blob-cache.ts'
import { answerError } from './error-page.ts'
import type { SiteRuntime } from './site-runtime.ts'
import { answerMethodNotAllowed, serveNotFound, serveStatic } from './static.ts'
import type { StaticEntry } from './table.ts'

/** What routing needs from the front. */
export interface RouteOptions {
  readonly cache: BlobCache
  readonly sessionOf: (exchange: Exchange, site: SiteRuntime) => Session | undefined
  /** Hands the request to the site's upstream. */
  readonly dynamic: (exchange: Exchange, site: SiteRuntime, session: Session | undefined) => void
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
  const isRead = exchange.method === 'GET' || exchange.method === 'HEAD'
  const { table } = site
  const entry = table?.get(exchange.path)
  if (isRead && table && entry && isForEveryone(exchange, site, entry, options)) {
    serveStatic(exchange, table, entry, options.cache)
    return
  }
  if (isRead && !table && site.state.unavailable) {
    // The version is there and could not be read yet: no 404, which search engines and caches would believe.
    answerError(exchange, 503, { headers: retryAfter, error: 'the live version cannot be put in force' })
    return
  }
  if (site.upstream) options.dynamic(exchange, site, options.sessionOf(exchange, site))
  else if (!table) answerError(exchange, 404)
  else if (entry && !isRead) answerMethodNotAllowed(exchange, table)
  else serveNotFound(exchange, table, options.cache)
}

function isOfProof(path: string): boolean {
  return path.startsWith('/.well-known/') && proofPrefixes.some((prefix) => path.startsWith(prefix))
}

/** Whether this visitor gets the file from the static version. The session is looked at only where it matters. */
function isForEveryone(exchange: Exchange, site: SiteRuntime, entry: StaticEntry, options: RouteOptions): boolean {
  return !site.upstream || !entry.personal || options.sessionOf(exchange, site) === undefined
}
