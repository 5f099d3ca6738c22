/**
 * HTTP/2 over node:http2's stream API: sessions with limits of time and pace, streams as exchanges.
 *
 * nghttp2 and node:http2 defend against many floods by themselves (CONTINUATION frames, settings, queued replies,
 * memory of a session). Here stand the limits that they do not have: idle time, requests and age of a connection,
 * streams that are reset, and frames that cost more to answer than to send.
 */

import { constants, createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { getHeader } from '../core/headers.ts'
import { nextRequestId } from '../core/ids.ts'
import { type Place, Roster } from '../core/roster.ts'
import { type Admitted, admitHead, type Peer } from './admit.ts'
import { plainAddress } from './client-address.ts'
import { provenClient } from './client-certificate.ts'
import { Http2Wire } from './http2-wire.ts'
import { handOver, LiveExchange } from './live-exchange.ts'
import { type Refusal, refusalBody, refusalHeaders } from './refusal.ts'
import { RequestBody } from './request-body.ts'
import type { RequestHead } from './request-check.ts'
import type { Idle, TransportContext, Watched } from './transport.ts'
import { createBucket } from './watch.ts'

/** The HTTP/2 side of a transport. */
export interface Http2 {
  /** Takes a TLS connection that chose `h2`. */
  accept(socket: TLSSocket): void
  /** Sends GOAWAY on every session; streams that have begun end first. */
  drain(): void
}

/** The HTTP/2 side of a transport. */
export function createHttp2(context: TransportContext): Http2 {
  const sessions = new Roster<Session>()
  const server = createHttp2Server(context)
  /** The connection that `session` is emitted for: a session hides its socket. */
  let accepted: TLSSocket | undefined
  server.on('session', (session) => {
    const own = new Session(session, accepted, context)
    const place = sessions.add(own)
    session.on('close', () => {
      place.leave()
      own.closed()
    })
    if (context.draining) own.retire()
  })
  // Sessions have their own listeners; without this one node:http2 would emit to nobody.
  server.on('sessionError', () => {})
  return {
    accept: (socket) => {
      accepted = socket
      server.emit('connection', socket)
      accepted = undefined
    },
    drain: () => {
      for (const session of sessions) session.retire()
    },
  }
}

function createHttp2Server({ limits }: TransportContext): Http2Server {
  return createServer({
    settings: {
      maxConcurrentStreams: limits.concurrentStreams,
      enablePush: false,
      maxHeaderListSize: limits.headerBytes,
    },
    // One more than may pass, so that ours is the check that answers; beyond it the stream is reset.
    maxHeaderListPairs: limits.headerCount * 2,
    maxSessionInvalidFrames: limits.invalidFrames,
    streamResetBurst: limits.resets.burst,
    streamResetRate: limits.resets.perSecond,
    unknownProtocolTimeout: limits.headersTimeoutMs,
  })
}

/** One HTTP/2 connection. */
class Session implements Idle, Watched {
  readonly #session: ServerHttp2Session
  readonly #socket: TLSSocket | undefined
  readonly #context: TransportContext
  readonly #peer: Peer
  readonly #resets: () => boolean
  readonly #controlFrames: () => boolean
  #greeted = false
  #streams = 0
  #requests = 0
  #idleMs = 0
  #ageMs = 0
  #endingMs = 0
  #retiring = false
  #idle: Place | undefined
  readonly #watched: Place

  constructor(session: ServerHttp2Session, socket: TLSSocket | undefined, context: TransportContext) {
    this.#session = session
    this.#socket = socket
    this.#context = context
    this.#peer = {
      address: plainAddress(socket?.remoteAddress ?? ''),
      serverName: socket?.servername || '',
      client: provenClient(socket),
    }
    this.#resets = createBucket(context.limits.resets)
    this.#controlFrames = createBucket(context.limits.controlFrames)
    session.on('error', () => {}) // Followed by `close`.
    session.on('stream', (stream, _headers, flags, raw) => this.#stream(stream, flags, raw as unknown as string[]))
    session.on('ping', () => this.#control())
    session.on('remoteSettings', () => {
      this.#greeted = true
      this.#control()
    })
    this.#watched = context.watch.add(this)
  }

  /**
   * Sends GOAWAY (RFC 9113 section 6.8); streams that have begun end first. It goes out before their answers, so a
   * client that sends one request after the other knows in time; one that had more on their way sends those again
   * elsewhere, as GOAWAY says that they were not looked at. (A GOAWAY ahead of that, which leaves streams open, is not to
   * be had from node:http2: it takes no stream after any.) A session that has not begun is given a moment to.
   */
  retire(): void {
    this.#retiring = true
    this.#idleMs = 0
    if (this.#requests > 0) this.#session.close()
  }

  closed(): void {
    this.#idle?.leave()
    this.#watched.leave()
  }

  endIfIdle(): boolean {
    this.#idle?.leave()
    if (this.#streams > 0) return false
    this.#session.destroy(undefined, constants.NGHTTP2_NO_ERROR)
    return true
  }

  tick(elapsedMs: number): void {
    const { limits } = this.#context
    if (this.#session.destroyed) {
      this.#endSocket(elapsedMs)
      return
    }
    this.#ageMs += elapsedMs
    this.#idleMs = this.#streams > 0 ? 0 : this.#idleMs + elapsedMs
    if (!this.#greeted && this.#ageMs > limits.headersTimeoutMs) this.#session.destroy()
    else if (this.#retiring && this.#idleMs > limits.freshGraceMs) this.#session.close()
    // A header block that never ends opens no stream: the time without streams bounds it, too.
    else if (this.#idleMs > limits.keepAliveMs) this.#session.destroy(undefined, constants.NGHTTP2_NO_ERROR)
    else if (this.#ageMs > limits.connectionAgeMs && !this.#retiring) this.retire()
  }

  /** A session that has ended waits for its last bytes to go out; for a client that takes none that is for ever. */
  #endSocket(elapsedMs: number): void {
    this.#endingMs += elapsedMs
    if (this.#endingMs > this.#context.limits.writeIdleMs) this.#socket?.destroy()
  }

  /** A flood ends the session at once; an honest client that is caught opens another one. */
  #calm(reason: string): void {
    if (this.#session.destroyed) return
    const clientAddress = this.#peer.address
    this.#context.options.rejected({ requestId: undefined, status: 429, reason, clientAddress })
    this.#session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM)
  }

  #control(): void {
    if (!this.#controlFrames()) this.#calm('flood of PING or SETTINGS frames')
  }

  #stream(stream: ServerHttp2Stream, flags: number, raw: readonly string[]): void {
    this.#requests += 1
    if (stream.destroyed) {
      // Reset in the same read that brought it: nobody waits for an answer.
      if (!this.#resets()) this.#calm('flood of reset streams')
      return
    }
    this.#idle?.leave()
    this.#streams += 1
    stream.on('error', () => {}) // Followed by `close`.
    stream.once('close', () => {
      this.#streams -= 1
      if (this.#streams === 0 && !this.#session.destroyed) this.#idle = this.#context.idle.add(this)
      // Whoever resets: a client can make the server do it (CVE-2025-8671), and each costs a request.
      if (stream.rstCode !== constants.NGHTTP2_NO_ERROR && !this.#resets()) this.#calm('flood of reset streams')
    })
    if (this.#retiring || this.#requests >= this.#context.limits.requestsPerConnection) this.retire()
    const bodyless = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
    const wire = new Http2Wire(stream, bodyless)
    const admitted = admitHead(toHead(raw), this.#peer, this.#context)
    if ('status' in admitted) {
      this.#refuse(wire, admitted)
      return
    }
    const expects = getHeader(admitted.head.headers, 'expect')?.toLowerCase()
    if (expects !== undefined && expects !== '100-continue') {
      this.#refuse(wire, { status: 417, reason: 'Expect other than 100-continue' })
      return
    }
    this.#exchange(stream, { admitted, wire, bodyless, invites: expects !== undefined })
  }

  #exchange(stream: ServerHttp2Stream, { admitted, wire, bodyless, invites }: Accepted): void {
    const context = this.#context
    const invite = () => {
      if (!stream.headersSent && !wire.gone) stream.additionalHeaders({ ':status': 100 })
    }
    const body = bodyless ? undefined : new RequestBody(stream, () => wire.bodyCut, invites ? invite : undefined)
    const exchange = new LiveExchange({ ...admitted, body, wire }, context)
    stream.once('close', () => {
      exchange.over(wire.whole)
      body?.destroy()
    })
    handOver(exchange, context, () => context.options.handle(exchange))
  }

  #refuse(wire: Http2Wire, { status, reason }: Refusal): void {
    const requestId = nextRequestId()
    this.#context.options.rejected({ requestId, status, reason, clientAddress: this.#peer.address })
    if (wire.gone) return
    const body = refusalBody(status, requestId)
    const headers = refusalHeaders(status)
    headers.push('content-length', String(body.length))
    wire.begin(status, headers, true)
    wire.end(body)
    // No exchange stands behind it that would: a client that leaves no window for it must not keep the stream open.
    wire.limitIdle(this.#context.limits.writeIdleMs)
  }
}

interface Accepted {
  readonly admitted: Admitted
  readonly wire: Http2Wire
  readonly bodyless: boolean
  /** Whether the client waits for 100 Continue. */
  readonly invites: boolean
}

/** A request's head from the flat list of a stream; nghttp2 lets pseudo-headers only stand in front, once each. */
function toHead(raw: readonly string[]): RequestHead {
  const pseudo = new Map<string, string>()
  let at = 0
  for (; raw[at]?.startsWith(':'); at += 2) pseudo.set(raw[at] as string, raw[at + 1] as string)
  return {
    method: pseudo.get(':method') ?? '',
    target: pseudo.get(':path') ?? '',
    httpVersion: '2.0',
    secure: true,
    scheme: pseudo.get(':scheme') ?? '',
    authority: pseudo.get(':authority'),
    rawHeaders: raw.slice(at),
  }
}
