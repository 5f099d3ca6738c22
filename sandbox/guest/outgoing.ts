/**
 * A body that goes out to the host. The host says after each piece how much more it takes at once; at nothing, the guest waits.
 */

import { type BridgeValue, bridgeLimits, deliveries, ops } from '../bridge.ts'
import { call } from './host.ts'
import { bytes, type Deferred, numbers, promises, strings } from './primordials.ts'

/** A string of so many characters is no larger than a piece may be, whatever they are. */
const chunkChars = numbers.floor(bridgeLimits.chunkBytes / 3)

/** The bytes that go out for one request or operation. */
export class Outgoing {
  readonly #id: number
  #allowed: number
  #over = false
  #onOver: (() => void) | undefined
  #waiting: Deferred<void> | undefined

  /** `allowed`: how much the host takes at once to begin with. */
  constructor(id: number, allowed: number) {
    this.#id = id
    this.#allowed = allowed
  }

  /** Whether it has ended, broken off, or nobody wants it any more. */
  get isOver(): boolean {
    return this.#over
  }

  /** Whether the next piece has to wait for {@link ready}. */
  get isFull(): boolean {
    return this.#allowed <= 0 && !this.#over
  }

  /** Calls `act` when nothing can go out any more: it has ended, broken off, or nobody wants it. At once, if it is so now. */
  whenOver(act: () => void): void {
    if (this.#over) act()
    else this.#onOver = act
  }

  /** Resolves when the next piece may go, or none is wanted. */
  ready(): Promise<void> {
    if (!this.isFull) return promises.of(undefined)
    this.#waiting ??= promises.withResolvers<void>()
    return this.#waiting.promise
  }

  /** Sends bytes, all of them, as the host takes them. They are copied piece by piece; `owned` bytes are the prelude's to give away. */
  async sendBytes(data: Uint8Array, owned = false): Promise<void> {
    const size = bytes.byteLength(data)
    if (owned && size > 0 && size <= bridgeLimits.chunkBytes) {
      if (this.isFull) await this.ready()
      this.#send(data)
      return
    }
    for (let from = 0; from < size && !this.#over; from += bridgeLimits.chunkBytes) {
      if (this.isFull) await this.ready()
      this.#send(bytes.slice(data, from, from + bridgeLimits.chunkBytes))
    }
  }

  /** Sends a text from a character on, as the host takes it; no character is cut in two. */
  async sendText(text: string, from = 0): Promise<void> {
    for (let at = from; at < text.length && !this.#over; ) {
      if (this.isFull) await this.ready()
      const to = cutText(text, at)
      this.#send(strings.slice(text, at, to))
      at = to
    }
  }

  /** It is whole. */
  end(): void {
    if (this.#over) return
    call(ops.end, this.#id)
    this.#finish()
  }

  /** It breaks off; `error` is JSON for the log. */
  abort(error: string): void {
    if (this.#over) return
    call(ops.abort, this.#id, error)
    this.#finish()
  }

  /** Takes `writable` and `cancelled`. */
  receive(kind: number, payload: BridgeValue): void {
    if (kind === deliveries.cancelled) this.#finish()
    else if (kind === deliveries.writable && typeof payload === 'number') {
      this.#allowed = payload
      if (!this.isFull) this.#wake()
    }
  }

  #send(piece: string | Uint8Array): void {
    if (this.#over) return
    const allowed = call(ops.send, this.#id, piece)
    if (typeof allowed === 'number' && allowed >= 0) this.#allowed = allowed
    else this.#finish()
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#wake()
    this.#onOver?.()
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve(undefined)
  }
}

/** Where a piece of a text that begins at `from` ends: at most so many characters on, and not inside a surrogate pair. */
export function cutText(text: string, from: number, chars: number = chunkChars): number {
  const to = from + chars
  if (to >= text.length) return text.length
  const last = strings.charCodeAt(text, to - 1)
  return last >= 0xd800 && last <= 0xdbff ? to - 1 : to
}
