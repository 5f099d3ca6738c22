/**
 * An operation of the host that is answered like a request: `fetch`, and files of the site. The promise settles when the head
 * is there; the body is asked for as it is read.
 */

import { type BridgeValue, bridgeLimits, deliveries } from '../bridge.ts'
import type { FetchAnswer } from '../bridge-shapes.ts'
import { whenAborted } from './abort.ts'
import { type Body, createBody } from './body.ts'
import { createBox } from './header-list.ts'
import { Incoming } from './incoming.ts'
import { forgetOperation, readJson, startOperation, stopOperation, toError } from './operations.ts'
import { Outgoing } from './outgoing.ts'
import { promises } from './primordials.ts'
import { type RequestState, signalOf } from './request.ts'
import { createResponse, type Response } from './response.ts'
import { prepareBody } from './send-body.ts'
import { encodeUtf8 } from './utf8.ts'

/** What is asked of the host. */
export interface ExchangeOptions {
  /** One of `operations`. */
  readonly kind: number
  /** Its arguments; `hasBody` says whether a body follows. */
  readonly args: (hasBody: boolean) => object
  readonly state: RequestState
  /** How an error that the host told is shown to the site. */
  readonly toRejection: (error: Error | object) => unknown
}

/** Asks, and answers the Response. Rejects with the reason of the request's signal when that is aborted. */
export function exchange(options: ExchangeOptions): Promise<Response> {
  const { state, toRejection } = options
  const answered = promises.withResolvers<Response>()
  const signal = state.signal ?? (state.isGone ? signalOf(state) : undefined)
  if (signal?.aborted) return promises.reject(signal.reason)
  let operation: Exchange | undefined
  const takeBack = signal === undefined ? undefined : whenAborted(signal, () => operation?.abort(signal.reason))
  operation = new Exchange(answered.resolve, answered.reject, toRejection, takeBack)
  try {
    operation.start(options)
  } catch (error) {
    takeBack?.()
    return promises.reject(toRejection(error as Error))
  }
  return answered.promise
}

class Exchange {
  readonly #resolve: (response: Response) => void
  readonly #reject: (reason: unknown) => void
  readonly #toRejection: (error: Error | object) => unknown
  readonly #takeBack: (() => void) | undefined
  #id = 0
  #incoming: Incoming | undefined
  #outgoing: Outgoing | undefined
  #isOver = false

  constructor(
    resolve: (response: Response) => void,
    reject: (reason: unknown) => void,
    toRejection: (error: Error | object) => unknown,
    takeBack: (() => void) | undefined,
  ) {
    this.#resolve = resolve
    this.#reject = reject
    this.#toRejection = toRejection
    this.#takeBack = takeBack
  }

  start(options: ExchangeOptions): void {
    const { body } = options.state
    const { first, rest } =
      body === null ? nothing : prepareBody(body, bridgeLimits.wholeBytes, (error) => this.abort(error))
    // A body that does not go along whole goes out after the start, its first part too.
    const whole = rest === undefined ? toBytes(first) : undefined
    const args = options.args(rest !== undefined)
    this.#id = startOperation(options.kind, args, whole, (kind, payload, data) => this.#receive(kind, payload, data))
    if (rest === undefined) return
    const outgoing = new Outgoing(this.#id, bridgeLimits.chunkBytes)
    this.#outgoing = outgoing
    void promises.then(this.#sendFirst(outgoing, first), () => rest(outgoing))
  }

  async #sendFirst(outgoing: Outgoing, first: string | Uint8Array | undefined): Promise<void> {
    if (typeof first === 'string') await outgoing.sendText(first)
    else if (first !== undefined) await outgoing.sendBytes(first)
  }

  /** The site wants it no more: what waits is rejected, a body that is being read breaks off. */
  abort(reason: unknown): void {
    if (this.#isOver) return
    stopOperation(this.#id)
    this.#finish()
    if (this.#incoming === undefined) this.#reject(reason)
    else this.#incoming.fail(reason)
  }

  #receive(kind: number, payload: BridgeValue, data: BridgeValue): void {
    if (kind === deliveries.answer) this.#answer(payload, data)
    else if (kind === deliveries.error) {
      forgetOperation(this.#id)
      this.#finish()
      const error = this.#toRejection(toError(payload))
      if (this.#incoming === undefined) this.#reject(error)
      else this.#incoming.fail(error)
    } else if (kind === deliveries.writable || kind === deliveries.cancelled) this.#outgoing?.receive(kind, payload)
    else if (kind === deliveries.broken) this.#incoming?.fail(this.#toRejection(toError(payload)))
    else this.#incoming?.receive(kind, payload)
  }

  #answer(payload: BridgeValue, data: BridgeValue): void {
    const answer = readJson<FetchAnswer>(payload)
    if (answer === undefined || this.#incoming !== undefined) return
    const first = typeof data === 'object' ? (data as Uint8Array<ArrayBuffer>) : undefined
    this.#incoming = new Incoming(this.#id, first, answer.hasBody, () => this.#finish())
    this.#resolve(createAnswer(answer, this.#incoming, first !== undefined || answer.hasBody))
  }

  /** Nothing comes in any more. What was still going out is not wanted either. */
  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#takeBack?.()
    this.#outgoing?.receive(deliveries.cancelled, undefined)
    forgetOperation(this.#id)
  }
}

const nothing = { first: undefined, rest: undefined }

function toBytes(first: string | Uint8Array | undefined): Uint8Array | undefined {
  return typeof first === 'string' ? encodeUtf8(first) : first
}

function createAnswer(answer: FetchAnswer, incoming: Incoming, hasBody: boolean): Response {
  const body: Body | null = hasBody ? createBody({ kind: 'incoming', incoming }) : null
  return createResponse({
    type: 'basic',
    status: answer.status,
    statusText: answer.statusText,
    url: answer.url,
    redirected: answer.redirected,
    box: createBox(answer.headers as string[], true),
    headers: undefined,
    body,
    webSocket: null,
  })
}
