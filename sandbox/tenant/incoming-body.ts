/** A body on its way into an isolate: it waits here until the guest asks, and the sender learns what was taken. */

import { createReceiveWindow } from '../../core/sandbox-window.ts'
import { deliveries, faults, pulled } from '../bridge.ts'
import type { BridgeError } from '../bridge-shapes.ts'

const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** What such a body is made with. */
export interface IncomingBodyOptions {
  /** The most that it may bring, and the name of that bound. */
  readonly mostBytes: number
  readonly bound: string
  /** Tells the sender that it may send more. */
  readonly credit: (bytes: number) => void
  /** Tells the guest: `deliveries.chunk`, `ended` or `broken`. */
  readonly deliver: (kind: number, payload?: string | Uint8Array) => void
  /** Called once, when the guest knows how it ended, or does not want it. */
  readonly over?: () => void
}

/** A body that comes in, in pieces. */
export class IncomingBody {
  /** All that has come. */
  bytes = 0
  readonly #options: IncomingBodyOptions
  readonly #window = createReceiveWindow()
  #pieces: Uint8Array[] = []
  #isWhole = false
  #isWanted = true
  #isAwaited = false
  #broken: BridgeError | undefined

  constructor(options: IncomingBodyOptions) {
    this.#options = options
  }

  /** Whether the guest may still ask for it. */
  get isWanted(): boolean {
    return this.#isWanted
  }

  /** Takes a piece, of which it makes a copy. Answers false if the sender had no credit for it. */
  arrive(piece: Uint8Array): boolean {
    if (!this.#window.arrive(piece.byteLength)) return false
    this.#count(piece.byteLength)
    if (!this.#isWanted || this.#broken || piece.byteLength === 0) return true
    // A copy that owns its buffer: what came from a socket lies beside bytes of others.
    this.#pieces.push(new Uint8Array(piece))
    if (this.#isAwaited) this.#give()
    return true
  }

  /** Takes all of it at once. It is copied when it is asked for as bytes, and not at all as text. */
  takeWhole(bytes: Uint8Array): void {
    this.#count(bytes.byteLength)
    if (!this.#broken && bytes.byteLength > 0) this.#pieces.push(bytes)
    this.#isWhole = true
  }

  #count(bytes: number): void {
    this.bytes += bytes
    const { mostBytes, bound } = this.#options
    if (this.bytes > mostBytes)
      this.break({ name: 'QuotaExceededError', message: `the body has more than ${mostBytes} bytes (${bound})` })
  }

  /** The body is whole. */
  finish(): void {
    this.#isWhole = true
    if (this.#isAwaited && this.#pieces.length === 0) this.#give()
  }

  /** The body breaks off. What is there of it is thrown away. */
  break(error: BridgeError): void {
    if (this.#isWhole || this.#broken || !this.#isWanted) return
    this.#broken = error
    this.#pieces = []
    this.#isAwaited = false
    this.#options.deliver(deliveries.broken, JSON.stringify(error))
    this.#options.over?.()
  }

  /** `ops.pull`. */
  pull(): Uint8Array | number {
    if (!this.#isWanted || this.#broken) return faults.closed
    if (this.#isAwaited) return faults.again
    const piece = this.#pieces.shift()
    if (piece) {
      this.#credit(piece.byteLength)
      return owned(piece)
    }
    if (this.#isWhole) {
      this.#options.over?.()
      return pulled.ended
    }
    this.#isAwaited = true
    return pulled.later
  }

  /** `ops.pullText`. */
  pullText(mostBytes: number): string | number {
    if (!this.#isWanted || this.#broken) return faults.closed
    if (!this.#isWhole) return pulled.later
    const whole = this.takeAtOnce(mostBytes)
    if (!whole) return pulled.later
    this.#options.over?.()
    return decoder.decode(whole)
  }

  /** What is there, if it is within a bound, in one piece; for an answer that brings its body along. */
  takeAtOnce(mostBytes: number): Uint8Array | undefined {
    const first = this.#pieces[0]
    if (!first || this.#isAwaited) return undefined
    let bytes = 0
    for (const piece of this.#pieces) bytes += piece.byteLength
    if (bytes > mostBytes) return undefined
    const whole = this.#pieces.length === 1 ? first : joined(this.#pieces, bytes)
    this.#pieces = []
    this.#credit(bytes)
    return whole
  }

  /** `ops.cancelBody`: nobody wants it. The sender gets no more credit. */
  cancel(): void {
    if (!this.#isWanted) return
    this.#isWanted = false
    this.#isAwaited = false
    this.#pieces = []
    this.#options.over?.()
  }

  #give(): void {
    this.#isAwaited = false
    const piece = this.#pieces.shift()
    if (piece) {
      this.#credit(piece.byteLength)
      this.#options.deliver(deliveries.chunk, piece)
      return
    }
    this.#options.deliver(deliveries.ended)
    this.#options.over?.()
  }

  #credit(bytes: number): void {
    const given = this.#window.consume(bytes)
    if (given > 0 && !this.#isWhole) this.#options.credit(given)
  }
}

/** Bytes that have their buffer for themselves: all of it crosses, and what lies beside them is others'. */
function owned(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
}

function joined(pieces: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.byteLength
  }
  return whole
}
