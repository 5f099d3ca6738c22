/**
 * Requests for plugins' routes, `/.grove/<plugin>/…`, handed to control over a unix socket.
 *
 * Control trusts what comes over that socket (it is 0600), so nothing that a visitor sent may look like what a front
 * says there: all of it stands in `grove-internal-*` headers, and every `grove-*` header that came in is dropped first.
 */

import { Readable } from 'node:stream'
import type { Exchange } from '../core/exchange.ts'
import { getHeader } from '../core/headers.ts'
import type { Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import { networkOf } from '../core/network.ts'
import type { SiteInfo } from '../core/plugin.ts'
import type { Session } from '../core/session.ts'
import { checkAnnouncedLength } from './body-limit.ts'
import { answerError, describeFailure, statusOfFailure } from './error-page.ts'
import { forwardRequestHeaders } from './forward-headers.ts'
import { createHeldBodies } from './held-bodies.ts'
import { createRemoteUpstream } from './remote-upstream.ts'
import { visitedOrigin } from './visited-origin.ts'

/** Hands requests to plugins' routes. */
export interface PluginRoutes {
  /** Answers with what the plugin answers; 503 when control is away, 504 when the plugin takes too long. */
  handle(exchange: Exchange, site: SiteInfo, session: Session | undefined): void
  /** Lets what is under way finish. */
  close(): Promise<void>
}

/** A way to the plugins of a data folder. `publicPort` is the port of https where a request does not name it. */
export function createPluginRoutes(
  layout: Pick<Layout, 'pluginSocket'>,
  publicPort: () => number = () => 443,
): PluginRoutes {
  const control = createRemoteUpstream(['http://control'], { socketPath: layout.pluginSocket, name: 'plugins' })
  const { routeBodiesBytes, routeBodyBytes, routeTimeoutMs } = limits.plugin
  // Connections to control are few and everybody's: a request takes one when it is there whole.
  const bodies = createHeldBodies({ bodyBytes: routeBodyBytes, totalBytes: routeBodiesBytes })

  const answer = async (exchange: Exchange, site: SiteInfo, session: Session | undefined): Promise<void> => {
    checkAnnouncedLength(exchange.headers, routeBodyBytes)
    using held = exchange.body && (await bodies.take(exchange.body))
    const { status, headers, body } = await control.send({
      id: exchange.id,
      method: exchange.method,
      authority: exchange.authority,
      target: exchange.target,
      headers: pluginHeaders(exchange, site, session, publicPort()),
      body: held && Readable.from([held.bytes], { objectMode: false }),
      signal: exchange.signal,
      timeoutMs: routeTimeoutMs,
      visitor: networkOf(exchange.clientAddress),
    })
    // Sign-in pages and what follows them are for one visitor; a plugin that knows better says so.
    const isCacheable = getHeader(headers, 'cache-control') !== undefined
    exchange.respond(status, isCacheable ? headers : [...headers, 'cache-control', 'no-store'], body)
  }

  return {
    handle(exchange, site, session) {
      answer(exchange, site, session).catch((error: unknown) => {
        if (exchange.signal.aborted) return // Nobody is there to be told.
        const status = statusOfFailure(error)
        // 502 would blame a server of the site; it is Grove's own that is away, and soon back.
        if (status === 502) answerError(exchange, 503, { headers: ['retry-after', '1'], error: describeFailure(error) })
        else answerError(exchange, status, { error: describeFailure(error) })
      })
    },
    close: () => control.close(),
  }
}

function pluginHeaders(
  exchange: Exchange,
  site: SiteInfo,
  session: Session | undefined,
  publicPort: number,
): readonly string[] {
  const { id, clientAddress, httpVersion } = exchange
  const origin = visitedOrigin(exchange, publicPort)
  const headers = forwardRequestHeaders(exchange.headers, {
    requestId: id,
    site: site.name,
    origin,
    clientAddress,
    httpVersion,
  })
  headers.push(
    'grove-internal-site',
    site.name,
    'grove-internal-request-id',
    id,
    'grove-internal-client-address',
    clientAddress,
  )
  if (session) headers.push('grove-internal-session', toAsciiJson(session))
  return headers
}

/** JSON in visible ASCII, since a user's id may hold what no header can. */
function toAsciiJson(value: object): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
