/**
 * An exchange as both adapters make it: the request, the one answer, the limits of time, and the end that is told once.
 * What differs between versions of HTTP is in its {@link Wire}.
 */

import type { Writable } from 'node:stream'
import { GroveError } from '../core/errors.ts'
import type { Body, ClientIdentity, Exchange, ExchangeNote } from '../core/exchange.ts'
import type { HeaderList } from '../core/headers.ts'
import { nextRequestId } from '../core/ids.ts'
import type { Place } from '../core/roster.ts'
import { disposeBody, type Progress, planAnswer, type Sink, writeBody } from './body-writer.ts'
import { refusalBody, refusalHeaders } from './refusal.ts'
import type { RequestBody } from './request-body.ts'
import type { CheckedHead } from './request-check.ts'
import type { TransportContext, Watched } from './transport.ts'
import { newPace, tooSlow } from './watch.ts'

/** The way back to the client. */
export interface Wire extends Sink {
  readonly stream: Writable
  /** Sends status and headers; without a body this is the whole answer. */
  begin(status: number, headers: string[], hasBody: boolean): void
  /** Cuts when nothing at all could be sent for so long; 0 takes the limit away. */
  limitIdle(timeoutMs: number): void
  /** Whether the client can no longer be answered. */
  readonly gone: boolean
}

/** The parts of an exchange that an adapter has found. */
export interface ExchangeParts {
  readonly head: CheckedHead
  readonly scheme: 'https' | 'http'
  readonly clientAddress: string
  readonly client: ClientIdentity | undefined
  /** The value of Strict-Transport-Security for the answer; undefined for none. */
  readonly hsts: string | undefined
  readonly body: RequestBody | undefined
  readonly wire: Wire
}

/** What a client that left before its answer gets in the log: no status was sent (as nginx says it). */
const clientGone = 499

/** One request under way. The adapter calls {@link LiveExchange.over} when its connection or stream has ended it. */
export class LiveExchange implements Exchange, Watched {
  readonly id: string = nextRequestId()
  readonly method: string
  readonly scheme: 'https' | 'http'
  readonly authority: string
  readonly target: string
  readonly path: string
  readonly query: string
  readonly headers: HeaderList
  readonly body: RequestBody | undefined
  readonly clientAddress: string
  readonly client: ClientIdentity | undefined
  readonly httpVersion: '1.0' | '1.1' | '2.0'
  note: ExchangeNote | undefined = undefined
  readonly #hsts: string | undefined
  readonly #wire: Wire
  readonly #context: TransportContext
  readonly #watched: Place
  #status = 0
  #progress: Progress = { sentBytes: 0 }
  #abort: AbortController | undefined
  #cut = false
  #over = false
  #bodyPace = newPace()
  #writeWaitedMs = 0
  #idleLimited = false

  constructor({ head, scheme, clientAddress, client, hsts, body, wire }: ExchangeParts, context: TransportContext) {
    this.method = head.method
    this.scheme = scheme
    this.authority = head.authority
    this.target = head.target
    this.path = head.path
    this.query = head.query
    this.headers = head.headers
    this.httpVersion = head.httpVersion
    this.body = body
    this.clientAddress = clientAddress
    this.client = client
    this.#hsts = hsts
    this.#wire = wire
    this.#context = context
    this.#watched = context.watch.add(this)
  }

  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController()
      if (this.#cut || (this.#over && this.#status === 0)) this.#abort.abort(wentAway())
    }
    return this.#abort.signal
  }

  get responded(): boolean {
    return this.#status !== 0
  }

  respond(status: number, headers: HeaderList, body?: Body): void {
    if (this.#status !== 0) {
      disposeBody(body)
      throw new GroveError('ERR_INTERNAL', `request ${this.id} was answered twice`)
    }
    if (this.#over || this.#wire.gone) {
      disposeBody(body)
      return
    }
    let plan: ReturnType<typeof planAnswer>
    try {
      plan = planAnswer(this.method, status, headers, body)
      if (this.#hsts !== undefined) setHsts(plan.headers, this.#hsts)
      this.#wire.begin(status, plan.headers, plan.hasBody)
    } catch (error) {
      // Nothing has gone out: there can still be an answer, that something went wrong.
      disposeBody(body)
      throw error
    }
    this.#status = status
    if (plan.hasBody && body !== undefined) {
      const sink: Sink = { stream: this.#wire.stream, end: (bytes) => this.#wire.end(bytes), cut: () => this.cut() }
      this.#progress = writeBody(sink, body, plan.declaredBytes)
      return
    }
    disposeBody(body)
    if (plan.declaredBytes)
      this.cut() // A length was promised, and there is no body to keep the promise.
    else this.#wire.end()
  }

  /** Answers with a tiny body, for what went wrong inside the transport. Does nothing when there is an answer. */
  refuse(status: number): void {
    if (!this.responded) this.respond(status, refusalHeaders(status), refusalBody(status, this.id))
  }

  /** Breaks off: the client sees that the answer is not whole. */
  cut(): void {
    if (this.#over) return
    this.#cut = true
    this.#wire.cut()
  }

  /** Told by the adapter once the connection or stream has nothing more to do with this exchange. Once only. */
  over(whole: boolean, bodyBytes: number = this.#progress.sentBytes, status: number = this.#status): void {
    if (this.#over) return
    this.#over = true
    this.#watched.leave()
    const complete = whole && !this.#cut
    if (!complete) this.#abort?.abort(wentAway())
    const receivedBytes = this.body?.receivedBytes ?? 0
    this.#context.options.finished(this, { status: status || clientGone, bodyBytes, receivedBytes, complete })
  }

  tick(elapsedMs: number): void {
    this.#watchBody(elapsedMs)
    this.#watchAnswer(elapsedMs)
  }

  #watchBody(elapsedMs: number): void {
    const { body } = this
    if (!body?.waiting) return
    const { bodyIdleMs, minBytesPerSecond } = this.#context.limits
    const step = { bytes: body.receivedBytes, elapsedMs }
    if (!tooSlow(this.#bodyPace, step, { idleMs: bodyIdleMs, minBytesPerSecond })) return
    body.destroy(new GroveError('ERR_TIMEOUT', 'client sent its body too slowly'))
    if (this.responded) this.cut()
    else this.refuse(408)
  }

  /**
   * A client that takes nothing is found by the socket's or stream's own timer, which sees progress inside a write; one
   * that takes a byte now and then is found here. What is in flight may be as old as the minimum pace allows. An answer
   * of which everything was handed over waits for its client, too, until it is over: headers without a body are in no
   * queue that could be asked.
   */
  #watchAnswer(elapsedMs: number): void {
    const { stream } = this.#wire
    const waits = this.#status !== 0 && (stream.writableLength > 0 || stream.writableEnded)
    if (waits !== this.#idleLimited) {
      this.#idleLimited = waits
      this.#wire.limitIdle(waits ? this.#context.limits.writeIdleMs : 0)
    }
    if (!waits) return
    const { writeIdleMs, minBytesPerSecond } = this.#context.limits
    this.#writeWaitedMs += elapsedMs
    if (this.#writeWaitedMs > writeIdleMs + (this.#progress.sentBytes * 1000) / minBytesPerSecond) this.cut()
  }
}

/** Hands an exchange to whoever answers it; what is thrown there is answered with 500. */
export function handOver(exchange: LiveExchange, context: TransportContext, answer: () => void): void {
  try {
    context.options.begun(exchange)
    answer()
  } catch (error) {
    context.options.log.error({ err: error, request: exchange.id }, 'request failed')
    if (exchange.responded) exchange.cut()
    else exchange.refuse(500)
  }
}

/** The operator's word in place of a site's own: browsers take the first that they find (RFC 6797 section 8.1). */
function setHsts(headers: string[], value: string): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (headers[i] === 'strict-transport-security') headers.splice(i, 2)
  }
  headers.push('strict-transport-security', value)
}

function wentAway(): GroveError {
  return new GroveError('ERR_CLOSED', 'client went away')
}
