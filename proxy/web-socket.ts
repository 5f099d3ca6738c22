/**
 * WebSockets between visitors and a site's servers, carried by http-proxy under the same header rules and identity as
 * requests.
 *
 * A tunnel lives no longer than what it rests on: it is cut when its session ends or is revoked, when its site is gone
 * and when the site's upstreams change. A page's script reconnects, and is then whoever it is by then.
 */

import { Agent, type ClientRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import httpProxy from 'http-proxy'
import { GroveError, toGroveError } from '../core/errors.ts'
import type { Exchange } from '../core/exchange.ts'
import type { HeaderList } from '../core/headers.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import { networkOf } from '../core/network.ts'
import type { Session } from '../core/session.ts'
import { answerError, describeFailure, statusOfFailure } from './error-page.ts'
import { cleanAnswerHeaders, forwardAnswerHeaders } from './forward-headers.ts'
import type { RemoteUpstream } from './remote-upstream.ts'
import { createShares, type Shares } from './shares.ts'
import type { UpgradeConnection } from './transport.ts'
import { handshakeFault } from './web-socket-handshake.ts'

/** What it takes to open one WebSocket. */
export interface Handshake {
  readonly exchange: Exchange
  readonly connection: UpgradeConnection
  readonly site: SiteName
  readonly session: Session | undefined
  /** Has whoever answers it accept, or answers with an error. `ended` aborts when the visitor's connection closes. */
  readonly shake: (ended: AbortSignal) => Promise<void>
}

/** A handshake that goes to a site's server. */
export interface ServerHandshake extends Pick<Handshake, 'exchange' | 'connection'> {
  readonly upstream: Pick<RemoteUpstream, 'connect'>
  /** As the upstream gets them, identity included, without those of the upgrade itself. */
  readonly headers: HeaderList
  /** How long the upstream may take to accept. */
  readonly timeoutMs: number
}

/** All WebSockets of a front. */
export interface WebSockets {
  /** Opens a tunnel, or answers with an error. */
  open(handshake: Handshake): void
  /** Cuts those of a site. */
  closeSite(site: SiteName): void
  /** Cuts those whose session has ended before its time. */
  closeRevoked(isRevoked: (session: Session) => boolean): void
  /** Cuts all. */
  close(): void
  /** Those that are open or being opened. */
  readonly size: number
}

/** How many WebSockets there may be. */
export interface WebSocketBounds {
  readonly perFront: number
  readonly perSite: number
}

interface Tunnel {
  readonly session: Session | undefined
  readonly cut: () => void
}

interface OfSite {
  readonly places: Shares
  readonly open: Set<Tunnel>
}

/** The longest delay that a timer takes. */
const longestTimerMs = 2 ** 31 - 1

/**
 * No WebSockets yet. More than `bounds` get 503, and so does a visitor with more than a share of them: a socket may stay
 * open and idle for ever, and one visitor could keep everybody else out.
 */
export function createWebSockets(bounds: WebSocketBounds = limits.webSocket): WebSockets {
  const tunnels = new Map<SiteName, OfSite>()
  const places = createShares(bounds.perFront)
  let size = 0

  /** Lets a tunnel in, if there is a place for it in the front and the site; answers how it leaves. */
  const add = (site: SiteName, visitor: string, tunnel: Tunnel): (() => void) | undefined => {
    const ofSite = tunnels.get(site) ?? { places: createShares(bounds.perSite), open: new Set() }
    const leaveFront = places.take(visitor)
    const leaveSite = leaveFront && ofSite.places.take(visitor)
    if (!leaveSite) {
      leaveFront?.()
      return undefined
    }
    tunnels.set(site, ofSite)
    ofSite.open.add(tunnel)
    size += 1
    return () => {
      leaveSite()
      leaveFront()
      ofSite.open.delete(tunnel)
      size -= 1
      if (ofSite.open.size === 0) tunnels.delete(site)
    }
  }

  return {
    open(handshake) {
      const { exchange, connection, site, session } = handshake
      const fault = handshakeFault(exchange)
      if (fault) {
        answerError(exchange, fault.status, { headers: fault.headers, error: fault.reason })
        return
      }
      const tunnel: Tunnel = { session, cut: () => connection.socket.destroy() }
      const leave = add(site, networkOf(exchange.clientAddress), tunnel)
      if (!leave) {
        answerError(exchange, 503, { error: 'ERR_TOO_MANY: too many WebSockets' })
        return
      }
      const ended = new AbortController()
      connection.socket.on('error', () => {}) // Its close is what counts; until the tunnel stands nobody else listens.
      const cancelExpiry = session && atTime(session.expiresAtMs, tunnel.cut)
      connection.socket.once('close', () => {
        ended.abort()
        cancelExpiry?.()
        leave()
      })
      void handshake.shake(ended.signal)
    },
    closeSite(site) {
      for (const tunnel of [...(tunnels.get(site)?.open ?? [])]) tunnel.cut()
    },
    closeRevoked(isRevoked) {
      for (const { open } of [...tunnels.values()])
        for (const tunnel of [...open]) if (tunnel.session && isRevoked(tunnel.session)) tunnel.cut()
    },
    close() {
      for (const { open } of [...tunnels.values()]) for (const tunnel of [...open]) tunnel.cut()
    },
    get size() {
      return size
    },
  }
}

/** Runs at a moment, however far away; answers how to call it off. */
function atTime(atMs: number, run: () => void): () => void {
  let timer: NodeJS.Timeout | undefined
  const wait = () => {
    const leftMs = atMs - Date.now()
    if (leftMs <= 0) run()
    else timer = setTimeout(wait, Math.min(leftMs, longestTimerMs)).unref()
  }
  wait()
  return () => clearTimeout(timer)
}

/** Connects to the upstream and lets http-proxy do the handshake and the tunnel. Never rejects. */
export async function shakeWithServer(handshake: ServerHandshake, ended: AbortSignal): Promise<void> {
  const { exchange, upstream, timeoutMs } = handshake
  let isAnswered = false
  let outgoing: ClientRequest | undefined
  const answered = () => {
    isAnswered = true
    clearTimeout(timer)
  }
  const fail = (error: unknown) => {
    if (isAnswered || ended.aborted) return
    answered()
    answerError(exchange, statusOfFailure(error), { error: describeFailure(error) })
    outgoing?.destroy()
  }
  const timer = setTimeout(
    () => fail(new GroveError('ERR_UPSTREAM_SLOW', `no handshake within ${timeoutMs} ms`)),
    timeoutMs,
  )
  ended.addEventListener('abort', () => clearTimeout(timer), { once: true })
  try {
    const socket = await upstream.connect(ended)
    ended.addEventListener('abort', () => socket.destroy(), { once: true })
    if (isAnswered) socket.destroy()
    else
      outgoing = proxy(handshake, socket, {
        answered,
        failed: (cause) => fail(new GroveError('ERR_UPSTREAM_DOWN', `handshake failed: ${cause.message}`, { cause })),
      })
  } catch (error) {
    fail(error)
  }
}

/** Gives a connection of ours to http-proxy, with our headers, and stands between it and what the upstream answers. */
function proxy(
  { exchange, connection, headers }: ServerHandshake,
  upstreamSocket: Duplex,
  told: { readonly answered: () => void; readonly failed: (error: Error) => void },
): ClientRequest | undefined {
  let outgoing: ClientRequest | undefined
  const agent = new Agent({ keepAlive: false })
  agent.createConnection = () => upstreamSocket
  const server = httpProxy.createProxyServer({ target: { protocol: 'http:', host: 'upstream', port: 80 }, agent })
  server.on('proxyReqWs', (request: ClientRequest) => {
    outgoing = request
    request.path = exchange.target // http-proxy has joined slashes in it.
  })
  const { request, socket, head } = connection
  request.headers = upgradeHeaders(headers)
  request.url = '/' // Ours is set above.
  server.ws(request, socket, head, {}, told.failed)
  const openTunnel = outgoing?.listeners('upgrade')[0]
  // http-proxy would pass both kinds of answer on as they come: headers uncleaned, and a body framed otherwise than they say.
  outgoing
    ?.removeAllListeners('upgrade')
    .once('upgrade', (answer: IncomingMessage, upstream: Socket, head: Buffer<ArrayBuffer>) => {
      if (answer.headers.upgrade?.toLowerCase() !== 'websocket') {
        told.failed(new Error('upstream changed to another protocol'))
        return
      }
      told.answered()
      answer.headers = upgradeHeaders(cleanAnswerHeaders(toHeaderList(answer)))
      openTunnel?.call(outgoing, answer, upstream, head)
      tie(socket, upstreamSocket)
    })
  outgoing?.removeAllListeners('response').once('response', (answer: IncomingMessage) => {
    try {
      exchange.respond(answer.statusCode ?? 502, forwardAnswerHeaders(toHeaderList(answer), true), answer)
      told.answered()
    } catch (error) {
      told.failed(toGroveError(error)) // A status or header that cannot be passed on must not end the process.
    }
  })
  return outgoing
}

/** A handshake's headers, or those of its 101, with the two that are of one hop put back. */
function upgradeHeaders(list: HeaderList): Record<string, string | string[]> {
  return { ...toHeaderObject(list), connection: 'Upgrade', upgrade: 'websocket' }
}

/** Lets no side of a tunnel outlive the other by more than it takes to hand over what is buffered. */
function tie(visitor: Duplex, upstream: Duplex): void {
  const linger = () => {
    const timer = setTimeout(() => visitor.destroy(), limits.http.writeIdleMs).unref()
    visitor.once('close', () => clearTimeout(timer))
  }
  visitor.once('close', () => upstream.destroy())
  visitor.once('end', linger)
  upstream.once('end', linger)
  upstream.once('close', () => {
    visitor.end()
    linger()
  })
}

function toHeaderList({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text))
}

/** Keyed by name; a name that comes more than once has all its values. */
function toHeaderObject(list: HeaderList): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = Object.create(null)
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i] as string
    const value = list[i + 1] as string
    const known = headers[name]
    headers[name] = known === undefined ? value : [known, value].flat()
  }
  return headers
}
