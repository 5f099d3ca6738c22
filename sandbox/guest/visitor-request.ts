/**
 * A request of a visitor, from its arrival to the end of everything that was done for it. The short way is one call in and one
 * call out: a handler that answers with a string makes no stream, no list and no promise here.
 */

import { type BridgeValue, bridgeLimits, deliveries, failures, faults, ops, rests } from '../bridge.ts'
import { writeHead } from './answer-head.ts'
import { type Body, createBody, discardBody, requireUsable } from './body.ts'
import { describeJson } from './errors.ts'
import type { ContextTarget } from './execution-context.ts'
import { createRawBox } from './header-list.ts'
import { call } from './host.ts'
import { Incoming } from './incoming.ts'
import { forgetRequest, hasOperations, openRequest, type Receiver, whenAnswered } from './operations.ts'
import { Outgoing } from './outgoing.ts'
import { promises } from './primordials.ts'
import { reportException, reportRejection } from './report-error.ts'
import { abortRequest, type RequestState, visitorState } from './request.ts'
import { type ResponseState, responseStateOf } from './response.ts'
import { prepareBody } from './send-body.ts'
import { forgetTimers, passTimers } from './timers.ts'
import { VisitorSocket } from './visitor-socket.ts'
import { reserveEnd, type WebSocket } from './web-socket.ts'

/** What arrived. */
export interface Arrival {
  readonly id: number
  readonly method: string
  readonly url: string
  /** Joined by `\n`. */
  readonly headers: string
  readonly hasBody: boolean
  readonly isUpgrade: boolean
}

/** One request under way. */
export class VisitorRequest implements Receiver, ContextTarget {
  readonly owner: number
  readonly state: RequestState
  readonly #isUpgrade: boolean
  readonly #incoming: Incoming | undefined
  #outgoing: Outgoing | undefined
  #socket: VisitorSocket | undefined
  #passThrough = false
  /** The answer, and what was given to `waitUntil`: how much of it has not settled. */
  #pending = 1
  #isAnswered = false
  /** Whether the host knows that it is over. */
  #isTold = false

  constructor(arrival: Arrival) {
    const { id, method, url, headers, hasBody, isUpgrade } = arrival
    this.owner = id
    this.#isUpgrade = isUpgrade
    let body: Body | null = null
    if (hasBody) {
      this.#incoming = new Incoming(id, undefined, true, () => {})
      body = createBody({ kind: 'incoming', incoming: this.#incoming })
    }
    this.state = visitorState(method, url, createRawBox(headers, true), body)
    openRequest(id, this)
  }

  /** Takes what the handler gave: a Response, or anything. */
  give(value: unknown): void {
    const state = responseStateOf(value)
    if (state === undefined)
      this.#fail(failures.invalid, new TypeError('the handler gave something that is no Response'))
    else this.#answer(state)
  }

  /** The handler has thrown, or its promise was rejected. */
  fail(error: unknown): void {
    this.#fail(failures.exception, error)
  }

  /** The code has no handler for requests. */
  refuse(): void {
    this.#fail(failures.unhandled, new TypeError('the code has no fetch handler'))
  }

  waitUntil(value: unknown): void {
    if (this.#pending === 0) return
    this.#pending++
    const promise = promises.of(value)
    void promises.then(
      promise,
      () => this.#settle(),
      (reason) => {
        reportRejection(promise, reason)
        this.#settle()
      },
    )
  }

  passThrough(): void {
    this.#passThrough = true
  }

  receive(kind: number, payload: BridgeValue): void {
    switch (kind) {
      case deliveries.chunk:
      case deliveries.ended:
      case deliveries.broken:
        this.#incoming?.receive(kind, payload)
        return
      case deliveries.over:
        this.#forget()
        return
      case deliveries.cancelled:
        this.#outgoing?.receive(kind, payload)
        this.#socket?.receive(kind, payload)
        abortRequest(this.state)
        return
      default:
        this.#outgoing?.receive(kind, payload)
        this.#socket?.receive(kind, payload)
    }
  }

  #answer(state: ResponseState): void {
    if (this.#isAnswered) return
    try {
      this.#send(state)
    } catch (error) {
      discardBody(state.body, error)
      this.#fail(failures.invalid, error)
    }
  }

  /** Throws what makes it an answer that cannot be sent, before anything of it has gone. */
  #send(state: ResponseState): void {
    const { body, webSocket, type } = state
    if (type === 'error') throw new TypeError('the handler gave Response.error()')
    requireUsable(body)
    const isBodiless = body === null || this.state.method === 'HEAD'
    const head = writeHead(state, !isBodiless)
    if (webSocket !== null) {
      this.#sendSocket(head, webSocket)
      return
    }
    if (isBodiless) {
      this.#respond(head, undefined, this.#restAfterAll())
      discardBody(body, undefined)
      this.#settle()
      return
    }
    const { first, rest } = prepareBody(body, bridgeLimits.wholeBytes, reportException)
    const allowed = this.#respond(head, first, rest === undefined ? this.#restAfterAll() : rests.body)
    if (rest === undefined) {
      this.#settle()
      return
    }
    const outgoing = new Outgoing(this.owner, allowed)
    this.#outgoing = outgoing
    if (allowed < 0) outgoing.receive(deliveries.cancelled, undefined)
    void promises.then(rest(outgoing), () => this.#settle())
  }

  #sendSocket(head: string, end: WebSocket): void {
    if (!this.#isUpgrade) throw new TypeError('the answer has a WebSocket, and the visitor did not ask for one')
    reserveEnd(end)
    const answer = this.#respond(head, undefined, rests.work)
    this.#socket = new VisitorSocket(this.owner, end, () => this.#settle())
    if (answer < 0) this.#socket.receive(deliveries.cancelled, undefined)
  }

  /** Answers what the host does: how much it takes, or a fault, when the visitor or the request is gone. */
  #respond(head: string, first: string | Uint8Array | undefined, rest: number): number {
    this.#isAnswered = true
    const answer = call(ops.respond, this.owner, head, first, rest)
    if (typeof answer !== 'number') return faults.closed
    this.#isTold = rest === rests.nothing && answer >= 0
    return answer
  }

  /** What is left once all of the answer has gone: most requests are over then, and that goes along with it. */
  #restAfterAll(): number {
    return this.#pending === 1 && !hasOperations(this.owner) ? rests.nothing : rests.work
  }

  #fail(kind: number, error: unknown): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    call(ops.fail, this.owner, kind, describeJson(error), this.#passThrough)
    this.#settle()
  }

  #settle(): void {
    this.#pending--
    if (this.#pending > 0) return
    // Others may wait for what this one has asked for, a promise in a variable of the module: it ends when that is here.
    whenAnswered(this.owner, () => {
      if (!this.#isTold) call(ops.done, this.owner)
      passTimers(this.owner)
      this.#forget()
    })
  }

  #forget(): void {
    this.#pending = 0
    this.#isAnswered = true
    forgetRequest(this.owner)
    forgetTimers(this.owner)
  }
}
