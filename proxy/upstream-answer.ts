/**
 * One answer as it comes from undici: checked, then handed on as a status, a header list and a body that is read at the
 * speed of whoever takes it.
 */

import { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { GroveError } from '../core/errors.ts'
import { getHeader, isValidHeader } from '../core/headers.ts'
import type { StreamedAnswer } from '../core/upstream.ts'
import { withoutHopByHop } from './forward-headers.ts'

/** Receives one answer. */
export class AnswerReceiver implements Dispatcher.DispatchHandler {
  /** The answer once its headers are there. Rejects with undici's error, or with what it was cancelled with. */
  readonly answer: Promise<StreamedAnswer>
  readonly #method: string
  readonly #finished: () => void
  readonly #resolve: (answer: StreamedAnswer) => void
  readonly #reject: (error: Error) => void
  #controller: Dispatcher.DispatchController | undefined
  #cancelled: Error | undefined
  #body: Readable | undefined
  #begun = false
  #ended = false

  /** `finished` is called once, when nothing of the request or its answer is under way any more. */
  constructor(method: string, finished: () => void) {
    this.#method = method
    this.#finished = finished
    const { promise, resolve, reject } = Promise.withResolvers<StreamedAnswer>()
    this.answer = promise
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Whether a first byte of an answer came, be it whole or not. */
  get begun(): boolean {
    return this.#begun
  }

  /** Gives the request up, wherever it is. Its answer rejects, or the answer's body errors, with `error`. */
  cancel(error: Error): void {
    if (this.#ended || this.#cancelled) return
    this.#cancelled = error
    this.#reject(error)
    this.#body?.destroy(error)
    // Without a controller the request still waits for a connection, and ends when it gets one.
    this.#controller?.abort(error)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#cancelled) controller.abort(this.#cancelled)
  }

  onResponseStarted(): void {
    this.#begun = true
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return // Interim (RFC 9110 section 15.2); the final answer follows.
    const headers = toHeaderList(controller.rawHeaders)
    const fault = faultOf(status, headers)
    if (fault !== undefined) {
      controller.abort(new GroveError('ERR_UPSTREAM_DOWN', `answer has ${fault}`))
      return
    }
    // RFC 9112 section 6.3: these never have a body, whatever their headers say.
    const hasBody = this.#method !== 'HEAD' && status !== 204 && status !== 304
    if (hasBody) this.#body = this.#createBody(controller)
    this.#resolve({ status, headers: withoutHopByHop(headers), body: this.#body })
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
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
    if (this.#ended) return
    this.#ended = true
    this.#finished()
  }

  #createBody(controller: Dispatcher.DispatchController): Readable {
    const body = new Readable({
      read: () => controller.resume(),
      destroy: (error, done) => {
        if (!this.#ended) controller.abort(error ?? new GroveError('ERR_CLOSED', 'nobody takes the answer any more'))
        done(error)
      },
    })
    // It may fail before whoever takes it listens; they then find it destroyed.
    body.on('error', () => {})
    return body
  }
}

/** What makes an answer unfit to be passed on, or undefined. */
function faultOf(status: number, headers: readonly string[]): string | undefined {
  if (status > 599) return `the status ${status}`
  for (let i = 0; i < headers.length; i += 2)
    if (!isValidHeader(headers[i] as string, headers[i + 1] as string)) return 'a header that is not allowed'
  const coding = getHeader(headers, 'transfer-encoding')
  if (coding !== undefined && coding.trim().toLowerCase() !== 'chunked') return `the transfer coding "${coding}"`
  return undefined
}

function toHeaderList(raw: Dispatcher.DispatchController['rawHeaders']): string[] {
  const list: string[] = []
  if (!Array.isArray(raw)) return list
  for (let i = 0; i < raw.length; i += 2)
    list.push(String(raw[i]).toLowerCase(), (raw[i + 1] as Buffer | string).toString('latin1'))
  return list
}
