/** One request on its way through a link with a tenant process, and its answer back, each at the speed of who takes it. */

import { Readable } from 'node:stream'
import { GroveError } from '../core/errors.ts'
import type { HeaderList } from '../core/headers.ts'
import { limits } from '../core/limits.ts'
import { frameTypes, readCredit } from '../core/sandbox-frames.ts'
import type { FrameLink } from '../core/sandbox-link.ts'
import { closeSocketSchema, readJson, requestFailedSchema } from '../core/sandbox-messages.ts'
import { splitWhole } from '../core/sandbox-whole.ts'
import { createReceiveWindow } from '../core/sandbox-window.ts'
import type { UpstreamAnswer } from '../core/upstream.ts'
import { readCodeAnswer } from './code-answer.ts'
import { CodeBodySender } from './code-body-sender.ts'
import { CodePassed, failureError, slow, toError, tooLarge } from './code-failures.ts'
import { type CodeRequest, encodeCodeRequest } from './code-request.ts'
import type { OpenVisitorSocket, VisitorSocket } from './code-socket-ends.ts'

/** What an exchange is made with. */
export interface CodeExchangeOptions {
  readonly link: FrameLink
  readonly stream: number
  readonly request: CodeRequest
  /** Of the site's code. */
  readonly version: number
  /** Set for a handshake: then the answer may be 101, and the exchange is a WebSocket's from then on. */
  readonly upgrade?: OpenVisitorSocket | undefined
  /** Called once, when nothing of it is under way any more. */
  readonly over: (exchange: CodeExchange) => void
}

/** Statuses that never have a body (RFC 9110 section 6.4.1). */
const bodiless: ReadonlySet<number> = new Set([101, 204, 205, 304])

/** One request under way. */
export class CodeExchange {
  /**
   * The answer once its head is there. Rejects with `ERR_CODE_FAILED` (details: `status`, `code`), {@link CodePassed},
   * `ERR_UPSTREAM_DOWN`, `ERR_UPSTREAM_SLOW`, or the reason of the request's signal.
   */
  readonly answer: Promise<UpstreamAnswer>
  /** Bytes of the answer's body, or of a WebSocket's messages, from the process. */
  receivedBytes = 0
  readonly #options: CodeExchangeOptions
  readonly #receiving = createReceiveWindow()
  readonly #resolve: (answer: UpstreamAnswer) => void
  readonly #reject: (error: Error) => void
  #timer: NodeJS.Timeout | undefined
  #sender: CodeBodySender | undefined
  #messageBytes = 0
  #wholeBytes = 0
  /** What has come of the answer's body before its head was handed on; undefined when there is none, and afterwards. */
  #pieces: Buffer[] | undefined
  #body: Readable | undefined
  #visitorSocket: VisitorSocket | undefined
  #isAnswered = false
  #isOver = false

  constructor(options: CodeExchangeOptions) {
    this.#options = options
    const { promise, resolve, reject } = Promise.withResolvers<UpstreamAnswer>()
    this.answer = promise
    this.#resolve = resolve
    this.#reject = reject
  }

  /** Bytes of the request's body, or of a WebSocket's messages, to the process. */
  get sentBytes(): number {
    return this.#messageBytes + this.#wholeBytes + (this.#sender?.sentBytes ?? 0)
  }

  /** Sends the request. */
  begin(): void {
    const { link, stream, request, version, upgrade } = this.#options
    const { body, signal, timeoutMs } = request
    const text = encodeCodeRequest(request, version, upgrade !== undefined)
    if (signal.aborted || text === undefined) {
      this.#end(signal.aborted ? toError(signal.reason) : tooLarge())
      return
    }
    signal.addEventListener('abort', this.#aborted, { once: true })
    this.#timer = setTimeout(() => this.cancel(slow(timeoutMs)), timeoutMs)
    if (body instanceof Uint8Array) {
      link.writeWhole(frameTypes.wholeRequest, stream, text, body)
      this.#wholeBytes = body.length
      return
    }
    link.write(frameTypes.request, stream, text)
    if (!body) return
    this.#sender = new CodeBodySender({ link, stream, body, failed: (error) => this.cancel(toError(error)) })
    this.#sender.begin()
  }

  /** Takes a frame of its stream. A text says what is wrong with it: then the link is to end. */
  take(type: number, payload: Buffer): string | undefined {
    switch (type) {
      case frameTypes.answer:
        return this.#answered(payload)
      case frameTypes.wholeAnswer:
        return this.#answeredWhole(payload)
      case frameTypes.body:
        return this.#arrived(payload)
      case frameTypes.end:
        if (!this.#isAnswered) return 'the end of an answer that has not begun'
        this.#body?.push(null)
        this.#end(undefined)
        return undefined
      case frameTypes.credit:
        return this.#credited(payload)
      case frameTypes.failed: {
        const failed = readJson(requestFailedSchema, payload)
        if (!failed) return 'a failure that is none'
        this.#end(failureError(failed))
        return undefined
      }
      case frameTypes.pass:
        if (this.#isAnswered) return 'an answer that is passed on after it has begun'
        this.#end(new CodePassed('the code passes the request on'))
        return undefined
      case frameTypes.cancel:
        // It wants no more of the request's body; the answer goes on.
        this.#sender?.stop()
        return undefined
      default:
        return this.#takeSocketFrame(type, payload)
    }
  }

  #takeSocketFrame(type: number, payload: Buffer): string | undefined {
    const { textMessage, bytesMessage, closeSocket } = frameTypes
    if (!this.#visitorSocket) return `a frame of type ${type}`
    if (type === textMessage || type === bytesMessage) {
      this.receivedBytes += payload.length
      this.#visitorSocket.message(payload, type === textMessage)
      return undefined
    }
    if (type !== closeSocket) return `a frame of type ${type}`
    const close = readJson(closeSocketSchema, payload)
    if (!close) return 'the end of a WebSocket that is none'
    this.#visitorSocket.close(close.code, close.reason)
    this.#visitorSocket = undefined
    this.#end(undefined)
    return undefined
  }

  /** Gives the request up: its answer rejects, or the answer's body errors, with `error`. */
  cancel(error: Error): void {
    if (this.#isOver) return
    this.#options.link.write(frameTypes.cancel, this.#options.stream)
    this.#end(error)
  }

  /** The link is gone, and the request with it. */
  lost(error: Error): void {
    this.#end(error)
  }

  readonly #aborted = (): void => this.cancel(toError(this.#options.request.signal.reason))

  #answered(payload: Buffer): string | undefined {
    if (this.#isAnswered) return 'a second answer'
    const { request } = this.#options
    const head = readCodeAnswer(payload, request.authority)
    if (typeof head === 'string') return head
    if (head.status === 101) return this.#upgraded(head.headers)
    this.#isAnswered = true
    clearTimeout(this.#timer)
    const { status, headers } = head
    if (head.hasBody && request.method !== 'HEAD' && !bodiless.has(status)) {
      this.#pieces = []
      // After all that came with the head: a short stream is whole then, and goes out with its length.
      queueMicrotask(() => this.#handOn(status, headers))
      return undefined
    }
    this.#resolve({ status, headers, body: undefined })
    if (head.hasBody) this.cancel(new GroveError('ERR_CLOSED', 'the answer has no body'))
    else this.#end(undefined)
    return undefined
  }

  #answeredWhole(payload: Buffer): string | undefined {
    if (this.#isAnswered) return 'a second answer'
    const { request } = this.#options
    const parts = splitWhole(payload)
    const head = parts ? readCodeAnswer(parts.head, request.authority) : 'an answer that is not whole'
    if (!parts || typeof head === 'string') return `${head}`
    if (head.status === 101) return 'an upgrade with a body'
    this.#isAnswered = true
    this.receivedBytes += parts.body.length
    const hasBody = head.hasBody && request.method !== 'HEAD' && !bodiless.has(head.status)
    this.#resolve({ status: head.status, headers: head.headers, body: hasBody ? parts.body : undefined })
    this.#end(undefined)
    return undefined
  }

  /** Hands on the head, with a body that is whole where it is, or one that goes on coming. */
  #handOn(status: number, headers: HeaderList): void {
    const pieces = this.#pieces ?? []
    this.#pieces = undefined
    if (this.#isOver) {
      // After a failure the answer has been rejected, and this changes nothing.
      const body = pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
      this.#resolve({ status, headers, body })
      return
    }
    this.#body = this.#createBody()
    for (const piece of pieces) this.#body.push(piece)
    this.#resolve({ status, headers, body: this.#body })
  }

  #upgraded(headers: HeaderList): string | undefined {
    const { link, stream, upgrade } = this.#options
    if (!upgrade) return 'an upgrade that nobody asked for'
    this.#isAnswered = true
    clearTimeout(this.#timer)
    // From now on the visitor's end says when it is over, and how.
    this.#options.request.signal.removeEventListener('abort', this.#aborted)
    this.#visitorSocket = upgrade(headers, {
      message: (message) => {
        this.#messageBytes += message.length
        return link.write(
          typeof message === 'string' ? frameTypes.textMessage : frameTypes.bytesMessage,
          stream,
          message,
        )
      },
      whenDrained: () => link.whenDrained(),
      close: (code, reason) => {
        this.#visitorSocket = undefined
        if (!this.#isOver) link.write(frameTypes.closeSocket, stream, JSON.stringify({ code, reason }))
        this.#end(undefined)
      },
    })
    this.#resolve({ status: 101, headers, body: undefined })
    return undefined
  }

  #arrived(piece: Buffer): string | undefined {
    const isWaiting = this.#pieces !== undefined
    if (!this.#body && !isWaiting) return 'a body that was not announced'
    if (!this.#receiving.arrive(piece.length)) return 'more of a body than there was credit for'
    this.receivedBytes += piece.length
    if (this.#body) this.#body.push(piece)
    else this.#pieces?.push(piece)
    return undefined
  }

  #credited(payload: Buffer): string | undefined {
    const bytes = readCredit(payload)
    return bytes === undefined || !this.#sender?.give(bytes) ? 'credit that cannot be' : undefined
  }

  #createBody(): Readable {
    const { link, stream } = this.#options
    let waiting = 0
    const body = new Readable({
      highWaterMark: limits.sandboxLink.chunkBytes,
      read: () => {
        // What was handed on since the last time has been taken.
        const bytes = this.receivedBytes - waiting
        waiting = this.receivedBytes
        const credit = this.#receiving.consume(Math.max(0, bytes))
        if (credit > 0 && !this.#isOver) link.credit(stream, credit)
      },
      destroy: (error, done) => {
        if (!this.#isOver) this.cancel(error ?? new GroveError('ERR_CLOSED', 'nobody takes the answer any more'))
        done(error)
      },
    })
    body.on('error', () => {}) // It may fail before whoever takes it listens; they then find it destroyed.
    return body
  }

  #end(error: Error | undefined): void {
    if (this.#isOver) return
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#options.request.signal.removeEventListener('abort', this.#aborted)
    this.#sender?.stop()
    if (error) {
      this.#reject(error)
      if (this.#body && !this.#body.destroyed) this.#body.destroy(error)
      this.#visitorSocket?.lost()
    }
    this.#options.over(this)
  }
}
