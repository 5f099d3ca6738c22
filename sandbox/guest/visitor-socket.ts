/** The WebSocket of a visitor, as the guest's end of it: messages out as the host takes them, messages in as they arrive. */

import { type BridgeValue, deliveries, ops } from '../bridge.ts'
import type { SocketClose } from '../bridge-shapes.ts'
import { DOMException } from './dom-exception.ts'
import { call } from './host.ts'
import { readJson } from './operations.ts'
import { arrays, bytes } from './primordials.ts'
import { type Message, sizeOf, socketBounds } from './socket-message.ts'
import { brokenOff, giveEnd, type WebSocket } from './web-socket.ts'

/** Messages that wait for the visitor, and what came of the socket. */
export class VisitorSocket {
  readonly #id: number
  readonly #onClosed: () => void
  readonly #own: ReturnType<typeof giveEnd>
  readonly #queue: Message[] = []
  #queuedBytes = 0
  /** How many bytes the host takes now. */
  #allowed = 1
  #isClosed = false
  #closing: { readonly code: number; readonly reason: string } | undefined

  /** `end` was set aside with `reserveEnd`, and the request was answered. `onClosed` is called when the socket is closed. */
  constructor(id: number, end: WebSocket, onClosed: () => void) {
    this.#id = id
    this.#onClosed = onClosed
    this.#own = giveEnd(end, {
      message: (data) => this.#message(data),
      close: (code, reason) => this.#close(code, reason),
      bufferedBytes: () => this.#queuedBytes,
    })
  }

  /** Takes what arrives for the request. */
  receive(kind: number, payload: BridgeValue): void {
    if (kind === deliveries.writable && typeof payload === 'number') {
      this.#allowed = payload
      this.#flush()
    } else if (kind === deliveries.message && (typeof payload === 'string' || typeof payload === 'object'))
      this.#own.arrive(payload as Message)
    else if (kind === deliveries.socketClosed) this.#finish(readJson<SocketClose>(payload) ?? brokenOff)
    else if (kind === deliveries.cancelled) this.#finish(brokenOff)
  }

  #message(data: Message): void {
    if (this.#isClosed || this.#closing !== undefined) return
    if (this.#queue.length === 0 && this.#allowed > 0) {
      this.#send(data)
      return
    }
    const size = sizeOf(data)
    if (this.#queue.length >= socketBounds.buffered || this.#queuedBytes + size > socketBounds.bufferedBytes)
      throw new DOMException('more waits to be sent than the visitor takes', 'QuotaExceededError')
    this.#queuedBytes += size
    arrays.push(this.#queue, data)
  }

  #send(data: Message): void {
    const answer = call(ops.message, this.#id, typeof data === 'string' ? data : bytes.slice(data))
    if (typeof answer === 'number' && answer >= 0) this.#allowed = answer
    else this.#finish(brokenOff)
  }

  #close(code: number, reason: string): void {
    if (this.#isClosed) return
    this.#closing ??= { code, reason }
    this.#flush()
  }

  #flush(): void {
    while (!this.#isClosed && this.#allowed > 0 && this.#queue.length > 0) {
      const data = arrays.shift(this.#queue) as Message
      this.#queuedBytes -= sizeOf(data)
      this.#send(data)
    }
    const closing = this.#closing
    if (closing === undefined || this.#queue.length > 0 || this.#isClosed) return
    if (call(ops.closeSocket, this.#id, closing.code, closing.reason) !== 0) this.#finish(brokenOff)
  }

  #finish(close: SocketClose): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#queue.length = 0
    this.#queuedBytes = 0
    this.#own.close(close)
    this.#onClosed()
  }
}
