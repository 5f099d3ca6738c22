/**
 * One answer as it comes from undici: its head is checked, and its body is handed on at the speed of whoever takes it.
 */

import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { GroveError } from '../../core/errors.ts'
import { getHeader, type HeaderList } from '../../core/headers.ts'
import { toIncomingHeaders } from './outgoing-headers.ts'

/** The head of an answer, and its body as it was sent. */
export interface RawAnswer {
  readonly status: number
  readonly statusText: string
  readonly headers: HeaderList
  readonly body: Readable | undefined
}

/** What a receiver tells on the way. */
export interface ReceiverOptions {
  readonly method: string
  /** A piece of the request was sent. */
  readonly sent: (bytes: number) => void
  /** A piece of the answer came, in its coding. */
  readonly received: (bytes: number) => void
  /** Nothing of the request or its answer is under way any more. Called once. */
  readonly finished: () => void
}

/** Receives one answer. */
export class AnswerReceiver implements Dispatcher.DispatchHandler {
  /** The answer once its head is there. Rejects with undici's error, or with what it was cancelled with. */
  readonly answer: Promise<RawAnswer>
  readonly #options: ReceiverOptions
  readonly #resolve: (answer: RawAnswer) => void
  readonly #reject: (error: Error) => void
  #controller: Dispatcher.DispatchController | undefined
  #cancelled: Error | undefined
  #body: Readable | undefined
  #hasBegun = false
  #hasEnded = false

  constructor(options: ReceiverOptions) {
    this.#options = options
    const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>()
    promise.catch(() => undefined) // Whoever waits for it may be gone.
    this.answer = promise
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Whether a first byte of an answer came. */
  get hasBegun(): boolean {
    return this.#hasBegun
  }

  /** Gives the request up, wherever it is. Its answer rejects, or the answer's body errors, with `error`. */
  cancel(error: Error): void {
    if (this.#hasEnded || this.#cancelled) return
    this.#cancelled = error
    this.#reject(error)
    this.#body?.destroy(error)
    // Without a controller the request still waits for a connection, and ends when it gets one.
    this.#controller?.abort(error)
    if (!this.#controller) this.#end()
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#cancelled) controller.abort(this.#cancelled)
  }

  onBodySent(chunk: Buffer): void {
    this.#options.sent(chunk.length)
  }

  onResponseStarted(): void {
    this.#hasBegun = true
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText?: string,
  ): void {
    if (status < 200) return // Interim (RFC 9110 section 15.2); the final answer follows.
    const raw = toHeaderList(controller.rawHeaders)
    const headers = toIncomingHeaders(raw)
    const coding = getHeader(raw, 'transfer-encoding')
    if (status > 599 || !headers || (coding !== undefined && coding.trim().toLowerCase() !== 'chunked')) {
      controller.abort(new GroveError('ERR_UPSTREAM_DOWN', 'the answer is not valid HTTP'))
      return
    }
    // RFC 9112 section 6.3: these never have a body, whatever their headers say.
    const hasBody = this.#options.method !== 'HEAD' && status !== 204 && status !== 304
    if (hasBody) this.#body = this.#createBody(controller)
    this.#resolve({ status, statusText: cleanStatusText(statusText), headers, body: this.#body })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#options.received(chunk.length)
    if (this.#body && !this.#body.push(chunk)) controller.pause()
  }

  onResponseEnd(): void {
    this.#body?.push(null)
    this.#end()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#reject(error)
    this.#body?.destroy(error)
    this.#end()
  }

  #end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#options.finished()
  }

  #createBody(controller: Dispatcher.DispatchController): Readable {
    const body = new Readable({
      read: () => controller.resume(),
      destroy: (error, done) => {
        if (!this.#hasEnded) controller.abort(error ?? new GroveError('ERR_CLOSED', 'nobody takes the answer any more'))
        done(error)
      },
    })
    // It may fail before whoever takes it listens; they then find it destroyed.
    body.on('error', () => undefined)
    return body
  }
}

/** A reason phrase (RFC 9112 section 4) without what cannot stand in one, and not longer than anybody's is. */
function cleanStatusText(text = ''): string {
  return text.replace(/[^\t\x20-\x7e]/g, '').slice(0, 100)
}

function toHeaderList(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((piece, index) => (index % 2 === 0 ? String(piece).toLowerCase() : piece.toString('latin1')))
}
