/** One HTTP/1.1 connection: its requests in their order, one at a time, and its end. */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { GroveError } from '../core/errors.ts'
import { nextRequestId } from '../core/ids.ts'
import type { ListenerName } from '../core/messages.ts'
import type { Place } from '../core/roster.ts'
import { admit, type Peer } from './admit.ts'
import { answerKeyAuthorization } from './challenges.ts'
import { plainAddress } from './client-address.ts'
import { provenClient } from './client-certificate.ts'
import { onFirstBytes } from './first-bytes.ts'
import { discard, type EndingConnection, Http1Wire, hasBody } from './http1-wire.ts'
import { handOver, LiveExchange } from './live-exchange.ts'
import { type ParseError, refusalOf } from './parse-error.ts'
import { redirectToHttps } from './redirect.ts'
import { type Refusal, rawRefusal, refusalBody, refusalHeaders } from './refusal.ts'
import { RequestBody } from './request-body.ts'
import type { Idle, TransportContext, Watched } from './transport.ts'
import { openTunnel } from './upgrade.ts'

/** A request that node:http has parsed, and the response that goes with it. */
export interface Pending {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** What an Expect header asks for. */
  readonly expects?: 'continue' | 'unknown'
}

/** The request that is being answered; `exchange` is absent when it was refused. */
interface Active {
  readonly request: IncomingMessage
  readonly exchange: LiveExchange | undefined
}

/** One HTTP/1.1 connection. */
export class Http1Connection implements EndingConnection, Idle, Watched {
  readonly #socket: Socket
  readonly #context: TransportContext
  readonly #peer: Peer
  readonly #redirects: boolean
  readonly #openedMs = performance.now()
  #active: Active | undefined
  #waiting: Pending[] = []
  #requests = 0
  #answers = 0
  /** Bytes that had arrived when the last answer was out: more of them are the beginning of a request. */
  #quietBytes = 0
  #tunnel = false
  /** A refusal that follows the answers under way; then the connection ends. */
  #lastWord: Refusal | undefined
  #broken = false
  #limitMs = 0
  #idle: Place | undefined
  #watched: Place | undefined

  constructor(socket: Socket, name: ListenerName, context: TransportContext) {
    this.#socket = socket
    this.#context = context
    this.#redirects = name === 'http'
    this.#peer = {
      address: plainAddress(socket.remoteAddress ?? ''),
      serverName: socket instanceof TLSSocket ? socket.servername || '' : undefined,
      client: provenClient(socket),
      isRedirected: this.#redirects,
    }
  }

  /** Waits for the first bytes and then gives the socket to the parser. */
  begin(parse: () => void): void {
    const socket = this.#socket
    // For as long as it lives, also where node:http has let go of it. TLS only tells of faults, and leaves it to its user
    // to close the connection.
    socket.on('error', () => socket.destroy())
    const { draining, limits } = this.#context
    this.#limit(draining ? limits.freshGraceMs : limits.headersTimeoutMs)
    onFirstBytes(socket, (beginning) => {
      this.#unlimit()
      if (beginning === 'nothing') socket.destroy()
      else if (beginning === 'http/0.9') this.#say({ status: 400, reason: 'HTTP/0.9' })
      else parse()
    })
  }

  /** Whether the answer that begins now is the last one. */
  get ending(): boolean {
    const { draining, limits } = this.#context
    // Counted here, since node:http's own limit says `close` and then leaves the connection open (measured on Node 26).
    if (draining || this.#broken || this.#answers >= limits.requestsPerConnection) return true
    return performance.now() - this.#openedMs > limits.connectionAgeMs
  }

  /** A request has come: it is answered now, or after those before it. */
  request(pending: Pending): void {
    this.#idle?.leave()
    this.#requests += 1
    this.#unlimit()
    if (!this.#active) {
      this.#start(pending)
      return
    }
    this.#waiting.push(pending)
    if (this.#waiting.length === this.#context.limits.pipelined) this.#socket.pause()
  }

  /** A WebSocket handshake has come; node:http has let go of the socket. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#idle?.leave()
    this.#requests += 1
    this.#tunnel = true
    this.#unlimit()
    // An answer is under way, or it is a protocol that older versions of node:http hand over all the same.
    if (this.#active || request.headers.upgrade?.toLowerCase() !== 'websocket' || hasBody(request)) {
      this.#say({ status: 400, reason: 'upgrade is not a WebSocket handshake of its own' })
      return
    }
    const admitted = admit(request, this.#peer, this.#context)
    if ('status' in admitted) this.#say(admitted)
    else openTunnel({ request, socket, head }, admitted, this.#context)
  }

  /** CONNECT has come: Grove is no forward proxy. */
  connect(): void {
    this.#tunnel = true
    this.#say({ status: 405, reason: 'method CONNECT' })
  }

  /** The parser gave up, time ran out, or the socket failed. */
  failed(error: ParseError): void {
    // Bytes after a request that said `Connection: close` change nothing about its answer.
    if (error.code === 'HPE_CLOSED_CONNECTION') return
    const refusal = this.#tunnel ? undefined : refusalOf(error, this.#context.limits.methodBytes)
    if (!refusal) {
      this.#socket.destroy()
      return
    }
    if (this.#broken) return
    this.#broken = true
    const active = this.#active
    if (!active) this.#say(refusal)
    else if (active.request.complete) this.#lastWord = refusal
    else this.#breakBody(active, refusal)
  }

  /** The socket is closed. */
  closed(): void {
    this.#idle?.leave()
    this.#waiting = []
    this.#unlimit()
  }

  endIfIdle(): boolean {
    this.#idle?.leave()
    if (this.#requests === 0 || this.#active || this.#tunnel) return false
    if (this.#socket.bytesRead !== this.#quietBytes) return false
    this.#socket.destroySoon()
    return true
  }

  /** Ends a connection that has not begun a request, when draining. */
  endIfFresh(): void {
    if (this.#requests === 0 && !this.#tunnel) this.#socket.destroy()
  }

  tick(elapsedMs: number): void {
    this.#limitMs -= elapsedMs
    if (this.#limitMs <= 0) this.#socket.destroy()
  }

  #start({ request, response, expects }: Pending): void {
    const context = this.#context
    this.#answers += 1
    const wire = new Http1Wire(request, response, { connection: this, context })
    const admitted = admit(request, this.#peer, context)
    const refusal = 'status' in admitted ? admitted : undefined
    if (refusal || expects === 'unknown') {
      this.#active = { request, exchange: undefined }
      response.once('close', () => this.#answered(request))
      this.#refuse(wire, refusal ?? { status: 417, reason: 'Expect other than 100-continue' })
      return
    }
    if ('status' in admitted) return
    let body: RequestBody | undefined
    if (hasBody(request)) {
      wire.awaitsContinue = expects === 'continue'
      const invite = () => {
        wire.awaitsContinue = false
        if (!response.headersSent) response.writeContinue()
      }
      body = new RequestBody(request, () => !request.complete, expects === 'continue' ? invite : undefined)
    }
    const exchange = new LiveExchange({ ...admitted, body, wire }, context)
    this.#active = { request, exchange }
    response.once('close', () => {
      exchange.over(response.writableFinished)
      body?.destroy()
      this.#answered(request)
    })
    handOver(exchange, context, () => {
      const { keyAuthorization } = admitted
      if (keyAuthorization !== undefined) answerKeyAuthorization(exchange, keyAuthorization)
      else if (this.#redirects) redirectToHttps(exchange, context.options.settings().httpsPort)
      else context.options.handle(exchange)
    })
  }

  /** Refuses a request that was parsed. The connection ends: what else would come on it is not to be trusted. */
  #refuse(wire: Http1Wire, refusal: Refusal): void {
    this.#broken = true
    const body = refusalBody(refusal.status, this.#reject(refusal))
    const headers = refusalHeaders(refusal.status)
    headers.push('content-length', String(body.length))
    wire.begin(refusal.status, headers)
    wire.end(body)
  }

  /** The answer is out, or the socket is closed. */
  #answered(request: IncomingMessage): void {
    const socket = this.#socket
    this.#active = undefined
    this.#quietBytes = socket.bytesRead
    if (socket.destroyed) return
    // What its reader left holds up the parser, even where all of it has arrived.
    if (hasBody(request) && !request.readableEnded) discard(request)
    const next = this.#waiting.shift()
    if (next && !socket.writableEnded) {
      socket.setTimeout(0) // A limit of the answer before must not hit this one.
      if (this.#waiting.length === this.#context.limits.pipelined - 1) socket.resume()
      this.#start(next)
    } else if (this.#lastWord && !socket.writableEnded) this.#say(this.#lastWord)
    else if (this.#context.draining)
      socket.destroySoon() // The answer began before the drain and could not say so.
    else if (hasBody(request) && !request.complete) {
      this.#limit(this.#context.limits.bodyIdleMs)
      // The next request may be there before this end is told.
      request.once('end', () => this.#active || this.#awaitNext())
    } else this.#awaitNext()
  }

  /**
   * Bounds the time until the next request is there, whatever comes instead. node:http's own limits do not: the idle time
   * begins anew at every byte, and the time for headers not before the first that is no empty line (RFC 9112 section 2.2).
   */
  #awaitNext(): void {
    const { idle, limits } = this.#context
    const { headersTimeoutMs, keepAliveMs } = limits
    this.#idle?.leave()
    this.#idle = idle.add(this)
    this.#limit(keepAliveMs + headersTimeoutMs)
  }

  /** The body of the request that is being answered is not HTTP. */
  #breakBody({ exchange }: Active, refusal: Refusal): void {
    if (!exchange) return // It is being refused already.
    exchange.body?.destroy(new GroveError('ERR_BAD_REQUEST', `body is not valid: ${refusal.reason}`))
    if (exchange.responded) exchange.cut()
    else exchange.refuse(refusal.status)
  }

  /** Says the last word on the socket itself, where no response exists, and ends the connection. */
  #say(refusal: Refusal): void {
    const requestId = this.#reject(refusal)
    const socket = this.#socket
    if (!socket.writable) {
      socket.destroy()
      return
    }
    socket.end(rawRefusal(refusal.status, requestId))
    socket.resume() // What still comes is taken and dropped, or the client may lose the answer.
    this.#limit(this.#context.limits.lingerMs)
  }

  /** Tells of a refusal, and answers the request id under which it did. */
  #reject({ status, reason }: Refusal): string {
    const requestId = nextRequestId()
    this.#context.options.rejected({ requestId, status, reason, clientAddress: this.#peer.address })
    return requestId
  }

  #limit(withinMs: number): void {
    this.#limitMs = withinMs
    this.#watched ??= this.#context.watch.add(this)
  }

  #unlimit(): void {
    this.#watched?.leave()
    this.#watched = undefined
  }
}
