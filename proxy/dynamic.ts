/**
 * What is answered by a site's upstream: headers in both directions, identity, the body's limit, plugins' middleware,
 * WebSockets, and the errors that a visitor sees.
 */

import type { Logger } from 'pino'
import { toGroveError } from '../core/errors.ts'
import type { Exchange } from '../core/exchange.ts'
import type { SiteState } from '../core/messages.ts'
import type { SiteName } from '../core/names.ts'
import { networkOf } from '../core/network.ts'
import type { SiteInfo } from '../core/plugin.ts'
import type { Session } from '../core/session.ts'
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '../core/upstream.ts'
import { checkAnnouncedLength, limitBody } from './body-limit.ts'
import { disposeBody } from './body-writer.ts'
import { CodePassed } from './code-failures.ts'
import { shakeWithCode } from './code-socket.ts'
import type { CodeUpstream } from './code-upstream.ts'
import { answerError, describeFailure, headersOfFailure, statusOfFailure } from './error-page.ts'
import { forwardAnswerHeaders, forwardRequestHeaders } from './forward-headers.ts'
import type { Identity } from './identity.ts'
import { type FoldedMiddleware, sendThrough } from './middleware.ts'
import type { RemoteUpstream } from './remote-upstream.ts'
import type { UpgradeConnection } from './transport.ts'
import { isForeignRequest, type VisitedOrigin, visitedOrigin } from './visited-origin.ts'
import { createWebSockets, shakeWithServer } from './web-socket.ts'

/** A site with an upstream, as it is at the moment of a request. */
export interface DynamicSite {
  readonly state: SiteState
  readonly info: SiteInfo
  readonly upstream: Upstream
  /** Answers in place of code that passes a request on ({@link CodePassed}). */
  readonly passed?: () => void
}

/** A site whose servers or code take WebSockets. */
export interface UpgradeSite extends DynamicSite {
  readonly upstream: RemoteUpstream | CodeUpstream
}

/** What the dynamic path asks the front for at each request, since a reload or a rotation may change it. */
export interface DynamicOptions {
  readonly log: Logger
  readonly identity: () => Identity | undefined
  readonly middleware: () => FoldedMiddleware | undefined
  /** The port of https where a request does not name it. */
  readonly publicPort: () => number
}

/** Answers dynamic requests. */
export interface Dynamic {
  /**
   * Answers from the site's upstream: 413 for a body over the site's limit, 502 when the upstream is down, 504 when it
   * is slow, 503 when too much is under way, 500 when a plugin fails; what the sandbox says when the site's code fails;
   * nothing when the visitor is gone.
   */
  handle(exchange: Exchange, site: DynamicSite, session: Session | undefined): void
  /** Answers a WebSocket handshake: a tunnel to the upstream, or an error as for a request. */
  upgrade(exchange: Exchange, connection: UpgradeConnection, site: UpgradeSite, session: Session | undefined): void
  /** Cuts the WebSockets of a site. */
  closeSite(name: SiteName): void
  /** Cuts the WebSockets whose session has ended before its time. */
  closeRevoked(isRevoked: (session: Session) => boolean): void
  /** Cuts all WebSockets. */
  close(): void
  /** WebSockets that are open or being opened. */
  readonly webSockets: number
}

/** The dynamic path of a front. */
export function createDynamic(options: DynamicOptions): Dynamic {
  const webSockets = createWebSockets()

  const forward = (exchange: Exchange, site: DynamicSite, session: Session | undefined, origin: VisitedOrigin) =>
    forwardRequestHeaders(exchange.headers, {
      requestId: exchange.id,
      site: site.state.name,
      origin,
      clientAddress: exchange.clientAddress,
      client: exchange.client,
      httpVersion: exchange.httpVersion,
      identity: identify(options.identity(), session, origin.text),
    })

  const answer = async (exchange: Exchange, site: DynamicSite, session: Session | undefined): Promise<void> => {
    const { bodyBytes, timeoutMs } = site.state
    // The transports hold a body to the length that it announces (RFC 9112 section 6.3, RFC 9113 section 8.1.1).
    const isAnnounced = checkAnnouncedLength(exchange.headers, bodyBytes)
    const origin = visitedOrigin(exchange, options.publicPort())
    const request: UpstreamRequest = {
      id: exchange.id,
      method: exchange.method,
      authority: exchange.authority,
      target: exchange.target,
      headers: forward(exchange, site, session, origin),
      body: exchange.body && (isAnnounced ? exchange.body : limitBody(exchange.body, bodyBytes)),
      signal: exchange.signal,
      timeoutMs,
      visitor: networkOf(exchange.clientAddress),
    }
    const middleware = options.middleware()
    const { id: requestId, clientAddress } = exchange
    const context = { site: site.info, requestId, clientAddress, session }
    const answered = middleware
      ? await sendThrough(middleware, site.upstream, request, { origin: origin.text, context })
      : await site.upstream.send(request)
    passOn(exchange, answered, session !== undefined)
  }

  return {
    handle(exchange, site, session) {
      const own = ownSession(exchange, session, false)
      answer(exchange, site, own).catch((error: unknown) => {
        if (error instanceof CodePassed && site.passed && !exchange.signal.aborted) site.passed()
        else fail(exchange, error, options.log)
      })
    },
    upgrade(exchange, connection, site, session) {
      const own = ownSession(exchange, session, true)
      const origin = visitedOrigin(exchange, options.publicPort())
      const headers = forward(exchange, site, own, origin)
      const { name, timeoutMs } = site.state
      const { upstream } = site
      const shake =
        'connect' in upstream
          ? (ended: AbortSignal) => shakeWithServer({ exchange, connection, upstream, headers, timeoutMs }, ended)
          : (ended: AbortSignal) => shakeWithCode({ exchange, connection, upstream, headers, timeoutMs }, ended)
      webSockets.open({ exchange, connection, site: name, session: own, shake })
    },
    closeSite: (name) => webSockets.closeSite(name),
    closeRevoked: (isRevoked) => webSockets.closeRevoked(isRevoked),
    close: () => webSockets.close(),
    get webSockets() {
      return webSockets.size
    },
  }
}

/** The session, unless a page of another origin made the request: that goes on as nobody's. */
function ownSession(exchange: Exchange, session: Session | undefined, isUpgrade: boolean): Session | undefined {
  if (!session || !isForeignRequest(exchange, isUpgrade)) return session
  if (exchange.note) exchange.note.userId = undefined
  return undefined
}

function identify(identity: Identity | undefined, session: Session | undefined, origin: string) {
  if (!identity || !session) return undefined
  return { userId: session.userId, token: identity.sign(session, origin, Date.now()) }
}

function passOn(exchange: Exchange, { status, headers, body }: UpstreamAnswer, signedIn: boolean): void {
  if (exchange.signal.aborted) {
    disposeBody(body)
    return
  }
  try {
    exchange.respond(status, forwardAnswerHeaders(headers, signedIn), body)
  } catch (error) {
    disposeBody(body)
    throw error
  }
}

function fail(exchange: Exchange, thrown: unknown, log: Logger): void {
  const error = toGroveError(thrown)
  if (exchange.signal.aborted) {
    if (exchange.note) exchange.note.error = describeFailure(error)
    return // Nobody is there to be told.
  }
  const status = statusOfFailure(error)
  // The access line tells of upstreams that fail; a fault of a plugin or of Grove needs its stack.
  if (status === 500 && error.code !== 'ERR_CODE_FAILED')
    log.error({ err: error, request: exchange.id }, 'dynamic request failed')
  answerError(exchange, status, { headers: headersOfFailure(error), error: describeFailure(error) })
}
