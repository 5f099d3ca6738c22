/**
 * One loaded code: its requests, those that wait, and the isolates that have them. An isolate that was stopped in its middle
 * finishes what it has begun, while the next one takes what comes; one that is gone takes its requests with it.
 */

import { HeldMap } from '../../core/held-map.ts'
import { tenantLimits } from '../../core/sandbox-limits.ts'
import type { RequestHead } from '../../core/sandbox-messages.ts'
import { deliveries } from '../bridge.ts'
import { type Breach, type CodeSource, type Engine, type EngineIsolate, LoadError } from '../engine.ts'
import { createCodeHost } from './code-host.ts'
import { Exchange, type FrontLink } from './exchange.ts'
import { codeOfBreach, describeBreach, failureOf } from './failures.ts'
import type { HostedCode, Seat } from './hosted-code.ts'
import { IncomingBody } from './incoming-body.ts'
import { createOperations, type Operations } from './operations.ts'
import { overdue } from './overdue.ts'
import type { Relay } from './relay.ts'
import { RequestLine } from './request-line.ts'
import type { SiteLog } from './site-log.ts'
import type { Subtle } from './subtle.ts'
import type { SupervisorPort } from './supervisor-port.ts'

/** What a code is made with. */
export interface SiteCodeOptions {
  readonly source: CodeSource
  readonly engine: Engine
  readonly supervisor: SupervisorPort
  readonly relay: Relay
  readonly subtle: Subtle
  readonly log: SiteLog
}

/** A code that is loaded. */
export class SiteCode implements HostedCode {
  readonly options: SiteCodeOptions
  readonly log: SiteLog
  readonly operations: Operations
  /** Whether it takes no new requests. */
  isClosed = false
  /** When and why it could not be loaded again. */
  #failed: { readonly atMs: number; readonly reason: string } | undefined
  #seat: Seat
  /** Isolates that get no new requests, the oldest first. */
  #draining: Seat[] = []
  readonly #line: RequestLine
  /** Those that are answered, the oldest first. */
  readonly #background = new HeldMap<number, Exchange>()
  #lastId = 0

  /** Loads it. Throws {@link LoadError}. */
  constructor(options: SiteCodeOptions) {
    this.options = options
    this.log = options.log
    const { source, relay, subtle } = options
    this.operations = createOperations({
      version: source.version,
      limits: source.limits,
      relay,
      subtle,
      nextId: () => this.#nextId(),
      refused: (exchange, limit, value, bound) => options.log.breach(exchange, { limit, value, bound, place: '' }),
    })
    this.#seat = this.#load()
    const { limits } = source
    this.#line = new RequestLine({ limits, turn: options.engine.turn, run: (exchange) => this.#run(exchange) })
  }

  get startupCpuMs(): number {
    return this.#seat.isolate?.startupCpuMs ?? 0
  }

  get handlers(): readonly string[] {
    return this.#seat.isolate?.handlers ?? []
  }

  /** Whether no request of it is left. */
  get isIdle(): boolean {
    return this.#line.waiting.length === 0 && this.#seats.every(({ exchanges }) => exchanges.size === 0)
  }

  get #seats(): readonly Seat[] {
    return this.#draining.length === 0 ? [this.#seat] : [this.#seat, ...this.#draining]
  }

  /** Requests that wait, and those that have an isolate. */
  get #all(): readonly Exchange[] {
    return [...this.#line.waiting, ...this.#seats.flatMap(({ exchanges }) => exchanges.values())]
  }

  #nextId(): number {
    this.#lastId++
    return this.#lastId
  }

  #load(): Seat {
    const seat: Seat = { isolate: undefined, exchanges: new HeldMap() }
    seat.isolate = this.options.engine.load(this.options.source, createCodeHost(this, seat))
    return seat
  }

  /** Takes a request of a front. `body` is all of it, where it came along; it may lie beside bytes of others. */
  accept(front: FrontLink, stream: number, head: RequestHead, body?: Uint8Array): void {
    const exchange = new Exchange(this.#nextId(), this, front, stream, head, performance.now())
    front.exchanges.set(stream, exchange)
    if (head.hasBody) exchange.incoming = this.#incomingOf(exchange)
    if (body) exchange.incoming?.takeWhole(body)
    this.#admit(exchange)
  }

  #admit(exchange: Exchange): void {
    const { limits } = this.options.source
    const { version } = exchange.head
    if (this.isClosed) exchange.fail(failureOf('not-loaded', `version ${version} is being unloaded`))
    else if (!this.#line.enter(exchange)) this.#refuse(exchange, 'queuedRequests', limits.queuedRequests)
  }

  #refuse(exchange: Exchange, limit: string, bound: number): void {
    exchange.phase = 'over'
    const breach = { limit, value: bound + 1, bound, place: '' }
    this.log.breach(exchange, breach)
    exchange.fail(failureOf('busy', describeBreach(breach)))
  }

  #incomingOf(exchange: Exchange): IncomingBody {
    return new IncomingBody({
      mostBytes: this.options.source.limits.streamedBodyBytes,
      bound: 'streamedBodyBytes',
      credit: (bytes) => exchange.credit(bytes),
      deliver: (kind, payload) => exchange.isolate?.deliver(exchange.id, exchange.id, kind, payload),
    })
  }

  #run(exchange: Exchange): boolean {
    const isolate = this.#fitIsolate(exchange)
    if (!isolate) return false
    exchange.phase = 'running'
    exchange.isolate = isolate
    this.#seat.exchanges.set(exchange.id, exchange)
    const { method, url, headers, hasBody, isUpgrade, id: requestId } = exchange.head
    isolate.dispatch(exchange.id, { method, url, headers, hasBody, isUpgrade, requestId })
    return true
  }

  /** The isolate for new requests, loaded anew if it has to be. A code that loaded once can fail to load again. */
  #fitIsolate(exchange: Exchange): EngineIsolate | undefined {
    if (this.#seat.isolate && !this.#seat.isolate.isGone) return this.#seat.isolate
    const failed = this.#failed
    // Trying again for each request would cost each as much as loading does.
    if (!failed || performance.now() - failed.atMs > tenantLimits.reloadMs) {
      try {
        this.#seat = this.#load()
        return this.#seat.isolate
      } catch (thrown) {
        if (!(thrown instanceof LoadError)) throw thrown
        this.log.loadFailed(thrown)
        this.#failed = { atMs: performance.now(), reason: thrown.message }
      }
    }
    exchange.phase = 'over'
    exchange.fail(failureOf('exception', `the code could not be loaded again: ${this.#failed?.reason}`))
    return undefined
  }

  /** The isolate of a seat is to get no new requests. */
  retire(seat: Seat): void {
    if (this.#seat !== seat) return
    this.#seat = { isolate: undefined, exchanges: new HeldMap() }
    this.#draining.push(seat)
    this.#disposeIfEmpty(seat)
    const [oldest] = this.#draining
    if (this.#draining.length <= tenantLimits.drainingIsolates || !oldest) return
    const breach = {
      limit: 'drainingIsolates',
      value: this.#draining.length,
      bound: tenantLimits.drainingIsolates,
      place: '',
    }
    this.lose(oldest, breach)
  }

  /** The isolate of a seat is gone, or goes now: what it had fails. */
  lose(seat: Seat, breach: Breach): void {
    if (this.#seat === seat) this.#seat = { isolate: undefined, exchanges: new HeldMap() }
    this.#draining = this.#draining.filter((other) => other !== seat)
    for (const exchange of seat.exchanges.values()) {
      this.log.breach(exchange, breach)
      exchange.fail(failureOf(codeOfBreach(breach), describeBreach(breach)))
      this.finish(exchange)
    }
    seat.exchanges.clear()
    seat.isolate?.dispose()
  }

  #disposeIfEmpty(seat: Seat): void {
    if (seat === this.#seat || seat.exchanges.size > 0) return
    this.#draining = this.#draining.filter((other) => other !== seat)
    seat.isolate?.dispose()
  }

  /** A request has reached a limit: it fails, and the guest forgets it. */
  stop(exchange: Exchange, breach: Breach): void {
    if (exchange.phase === 'over') return
    const { id, isolate, phase } = exchange
    const reason = describeBreach(breach)
    this.log.breach(exchange, breach)
    exchange.fail(failureOf(phase === 'queued' ? 'busy' : codeOfBreach(breach), reason))
    // In an isolate that was stopped in its middle there is nobody who could tidy up.
    if (isolate && isolate === this.#seat.isolate) isolate.deliver(id, id, deliveries.over, reason)
    if (phase === 'queued') this.#line.remove(exchange)
    this.finish(exchange)
  }

  /** Its answer is whole, or has failed: it makes room for others, though the guest may go on with it. */
  answered(exchange: Exchange): void {
    if (exchange.phase !== 'running') return
    exchange.phase = 'background'
    exchange.answeredAtMs = performance.now()
    this.#background.set(exchange.id, exchange)
    if (this.#background.size > tenantLimits.background) {
      const [oldest] = this.#background.values()
      const breach = { limit: 'background', value: this.#background.size, bound: tenantLimits.background, place: '' }
      if (oldest) this.stop(oldest, breach)
    }
    this.#line.leave()
  }

  /** Nothing goes out for it any more. What the guest is done with is over. */
  closed(exchange: Exchange): void {
    this.answered(exchange)
    if (exchange.isDone) this.finish(exchange)
  }

  /** Nothing of it is left. */
  finish(exchange: Exchange): void {
    if (exchange.phase === 'over') return
    const wasRunning = exchange.phase === 'running'
    exchange.phase = 'over'
    exchange.incoming?.cancel()
    exchange.close()
    this.operations.forget(exchange)
    this.#background.delete(exchange.id)
    const { isolate, id } = exchange
    // What the entry takes that is being made is the request's too.
    isolate?.afterEntry(() => {
      this.log.used(exchange)
      isolate.forget(id)
    })
    for (const seat of this.#seats) if (seat.exchanges.delete(exchange.id)) this.#disposeIfEmpty(seat)
    if (wasRunning) this.#line.leave()
  }

  /** The visitor of a request is gone, or the link of its front. */
  cancel(exchange: Exchange): void {
    exchange.close()
    if (exchange.phase === 'queued') {
      this.#line.remove(exchange)
      exchange.phase = 'over'
      return
    }
    exchange.incoming?.break({ name: 'AbortError', message: 'the visitor is gone' })
    exchange.isolate?.deliver(exchange.id, exchange.id, deliveries.cancelled)
    this.closed(exchange)
  }

  /** Looks at the clocks of its requests. */
  sweep(nowMs: number): void {
    for (const exchange of this.#all) {
      const breach = overdue(exchange, this.options.source.limits, nowMs)
      if (breach) this.stop(exchange, breach)
    }
  }

  /** Ends it. What is under way fails. */
  close(): void {
    this.isClosed = true
    for (const exchange of this.#all) {
      exchange.fail(failureOf('killed', 'the code is unloaded'))
      this.finish(exchange)
    }
    this.#line.clear()
    for (const seat of this.#seats) seat.isolate?.dispose()
  }
}
