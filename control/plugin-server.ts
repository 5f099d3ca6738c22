/**
 * Runs the `routes` of plugins: HTTP on a Unix socket of mode 0600, over which fronts hand requests under
 * `/.grove/<plugin>/` to control.
 *
 * A handler is trusted code, its requests are not: what may change something has to come from the site's own pages
 * ({@link isSameOrigin}), bodies and time are bounded, and what a handler throws goes to the log, never to the visitor.
 */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Logger } from 'pino'
import { GroveError, isGroveError } from '../core/errors.ts'
import { fromHeaders } from '../core/headers.ts'
import { randomId } from '../core/ids.ts'
import type { Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { FrontKeys } from '../core/messages.ts'
import type { Plugin, RouteContext, SiteInfo } from '../core/plugin.ts'
import { listenPrivately } from '../core/private-socket.ts'
import {
  clearedSessionCookie,
  openSession,
  type Revocation,
  type Session,
  sealSession,
  sessionCookie,
} from '../core/session.ts'
import { readBody, readVisit, toRequest, type Visit, withoutHop } from './plugin-request.ts'
import { matchRoute } from './plugin-routes.ts'
import { isSameOrigin } from './same-origin.ts'

/** What the server is started with. Functions are asked at each request, so a reload needs no new server. */
export interface PluginServerOptions {
  readonly layout: Pick<Layout, 'pluginSocket'>
  readonly plugins: () => readonly Plugin[]
  readonly site: (name: string) => SiteInfo | undefined
  readonly keys: () => Pick<FrontKeys, 'session'>
  readonly maxAgeSeconds: () => number
  /** Ends a session everywhere: resolves when it is durable and every connected front knows. */
  readonly revoke: (revocation: Revocation) => Promise<void>
  readonly log: Logger
  /** For a handler and the body before it, in milliseconds. @default limits.plugin.routeTimeoutMs */
  readonly routeTimeoutMs?: number
  readonly now?: () => number
}

/** Starts the server. Disposing of it takes no more requests and gives those under way limits.plugin.stopTimeoutMs. */
export async function startPluginServer(options: PluginServerOptions): Promise<AsyncDisposable> {
  const server = createServer(
    {
      // The visitor's headers, which the front has bounded, and its own.
      maxHeaderSize: limits.http.headerBytes * 2,
      headersTimeout: limits.http.headersTimeoutMs,
      requestTimeout: limits.plugin.routeTimeoutMs,
      // Longer than fronts keep a connection, so that none meets one that is being closed.
      keepAliveTimeout: limits.http.keepAliveMs,
    },
    (incoming, outgoing) => {
      void answer(options, incoming, outgoing, (response) => {
        // A server that stops waits for its connections: this one is to end with the answer.
        if (!server.listening) outgoing.shouldKeepAlive = false
        return send(outgoing, response, incoming.method === 'HEAD')
      })
    },
  )
  server.maxConnections = limits.plugin.connections
  await listenPrivately(server, options.layout.pluginSocket)
  return { [Symbol.asyncDispose]: () => close(server) }
}

async function close(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  const timer = setTimeout(() => server.closeAllConnections(), limits.plugin.stopTimeoutMs)
  await closed
  clearTimeout(timer)
}

/** Answers one request with what `finish` sends; never rejects. */
async function answer(
  options: PluginServerOptions,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  finish: (response: Response) => Promise<void>,
): Promise<void> {
  const aborting = new AbortController()
  const timeoutMs = options.routeTimeoutMs ?? limits.plugin.routeTimeoutMs
  const timer = setTimeout(
    () => aborting.abort(new GroveError('ERR_TIMEOUT', `plugin route took more than ${timeoutMs} ms`)),
    timeoutMs,
  )
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) aborting.abort(new GroveError('ERR_CLOSED', 'the visitor went away'))
  })
  const visit = readVisit(incoming)
  try {
    const response = visit ? await route(options, incoming, visit, aborting.signal) : plain(400, undefined)
    // The time is for the handler; a body may stream as long as the visitor stays.
    clearTimeout(timer)
    await finish(response)
  } catch (error) {
    // Ended by the visitor: before the handler was done, while the body came, or while the answer went out.
    const isGone =
      (error === aborting.signal.reason && outgoing.destroyed) ||
      error === incoming.errored ||
      (error as NodeJS.ErrnoException | undefined)?.code === 'ERR_STREAM_PREMATURE_CLOSE'
    if (!isGone) logFailure(options.log, visit, error)
    const isLate = isGroveError(error, 'ERR_TIMEOUT')
    // An answer that is cut must not look whole.
    if (isGone || outgoing.headersSent) outgoing.destroy()
    else await finish(plain(isLate ? 504 : 500, visit)).catch(() => outgoing.destroy())
  } finally {
    clearTimeout(timer)
  }
}

/** The log tells what went wrong; the visitor gets the id under which it does. */
function logFailure(log: Logger, visit: Visit | undefined, error: unknown): void {
  const { requestId, site, plugin, path } = visit ?? {}
  log.error({ err: error, request: requestId, site, plugin, path }, 'plugin route failed')
}

async function route(
  options: PluginServerOptions,
  incoming: IncomingMessage,
  visit: Visit,
  signal: AbortSignal,
): Promise<Response> {
  const { method = 'GET', headers } = incoming
  const site = options.site(visit.site)
  if (!site) return plain(404, visit)
  const match = matchRoute(options.plugins(), visit.plugin, method, visit.path)
  if (!match.handler)
    return match.methods.length > 0 ? plain(405, visit, { allow: match.methods.join(', ') }) : plain(404, visit)
  if (!safeMethods.has(method) && !isSameOrigin(headers, visit.authority)) return plain(403, visit)
  const body = await readBody(incoming, limits.plugin.routeBodyBytes, signal)
  if (!body) return plain(413, visit)
  const request = toRequest(incoming, visit, body, signal)
  const handled = Promise.try(match.handler, request, contextOf(options, site, visit))
  const response: unknown = await Promise.race([handled, rejectionOf(signal)])
  if (!isResponse(response))
    throw new GroveError('ERR_PLUGIN', `expected a Response with a status of 200 to 599, found ${typeof response}`)
  return response
}

/** RFC 9110 section 9.2.1. TRACE is not among them because no route should have it. */
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }))
}

/** By shape, not by class: a plugin may bring another copy of the web's classes. */
function isResponse(value: unknown): value is Response {
  if (typeof value !== 'object' || value === null) return false
  const { status, headers } = value as Partial<Response>
  return typeof status === 'number' && status >= 200 && status <= 599 && typeof headers?.getSetCookie === 'function'
}

function contextOf(options: PluginServerOptions, site: SiteInfo, visit: Visit): RouteContext {
  const { requestId, clientAddress, session } = visit
  return {
    site,
    requestId,
    clientAddress,
    session,
    signIn: (userId) => mint(options, visit.site, userId),
    async signOut() {
      if (session) await options.revoke({ kind: 'session', id: session.id, untilMs: session.expiresAtMs })
      return clearedSessionCookie
    },
  }
}

/** A new session, never one that was there before: nobody can fix a visitor's session ahead of the sign-in. */
function mint(options: PluginServerOptions, site: string, userId: string): string {
  const { userIdChars } = limits.session
  if (userId.length < 1 || userId.length > userIdChars)
    throw new GroveError('ERR_USER', `expected a user id of 1 to ${userIdChars} characters, found ${userId.length}`)
  const nowMs = options.now?.() ?? Date.now()
  const expiresAtMs = nowMs + options.maxAgeSeconds() * 1000
  const session: Session = { id: randomId(), userId, site, issuedAtMs: nowMs, expiresAtMs }
  const keys = options.keys().session
  // An id of many bytes gives a cookie that no front would read; better to say so than to sign nobody in.
  if (!openSession(sealSession(session, keys), site, keys, nowMs))
    throw new GroveError('ERR_USER', 'the user id takes too many bytes for a cookie')
  return sessionCookie(session, keys, nowMs)
}

/** An answer of the host's own: what happened in two or three words, and the id under which the log tells more. */
function plain(status: number, visit: Visit | undefined, headers: Record<string, string> = {}): Response {
  const text = `${STATUS_CODES[status]}\n${visit ? `Request ${visit.requestId}\n` : ''}`
  return new Response(text, {
    status,
    headers: { ...headers, 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
  })
}

async function send(outgoing: ServerResponse, response: Response, isHead: boolean): Promise<void> {
  const headers = withoutHop(fromHeaders(response.headers))
  // What depends on who asks must not be kept by anybody, unless the plugin says otherwise.
  if (!response.headers.has('cache-control')) headers.push('cache-control', 'no-store')
  if (isHead) await response.body?.cancel()
  const body = isHead || !response.body ? undefined : Readable.fromWeb(response.body)
  outgoing.writeHead(response.status, headers)
  if (body) await pipeline(body, outgoing)
  else outgoing.end()
}
