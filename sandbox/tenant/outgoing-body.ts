/** A body on its way out of an isolate: no more is sent than the other end takes, and the guest is told to wait. */

import { limits } from '../../core/limits.ts'
import { createSendWindow } from '../../core/sandbox-window.ts'
import { faults } from '../bridge.ts'

/** What such a body is made with. */
export interface OutgoingBodyOptions {
  /** Sends a piece, at most `limits.sandboxLink.chunkBytes`. */
  readonly write: (piece: Uint8Array) => void
  /** Sends that it is whole. */
  readonly finish: () => void
  /** Tells the guest how much it may send at once now. */
  readonly writable: (bytes: number) => void
}

/** A body that goes out, in pieces. */
export class OutgoingBody {
  /** All that the guest has sent. */
  bytes = 0
  /** Whether the guest has ended it, or nobody wants it any more. */
  isOver = false
  readonly #options: OutgoingBodyOptions
  readonly #window = createSendWindow()
  /** What is not covered by credit: a piece that began with some, or one that went along with a head. */
  #held: Uint8Array[] = []
  #isEnding = false
  #isFull = false

  constructor(options: OutgoingBodyOptions) {
    this.#options = options
  }

  /** How much the guest may send at once. */
  get room(): number {
    this.#isFull = this.#held.length > 0 || this.#window.open === 0
    return this.#isFull ? 0 : this.#window.open
  }

  /** `ops.send`; also for what goes along with a head. */
  send(chunk: string | Uint8Array): number {
    if (this.isOver || this.#isEnding) return faults.closed
    if (this.#held.length > 0) return faults.tooMany
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    this.bytes += bytes.byteLength
    if (bytes.byteLength > 0) this.#held.push(bytes)
    this.#flush()
    return this.room
  }

  /** `ops.end`. */
  end(): number {
    if (this.#isEnding) return faults.again
    if (this.isOver) return faults.closed
    this.#isEnding = true
    this.#flush()
    return 0
  }

  /** Takes credit. Answers false if there cannot be so much. */
  give(bytes: number): boolean {
    if (this.isOver) return true
    if (!this.#window.give(bytes)) return false
    this.#flush()
    if (this.#isFull && this.#held.length === 0 && !this.#isEnding) {
      this.#isFull = false
      this.#options.writable(this.#window.open)
    }
    return true
  }

  /** Nobody wants it, or it cannot go on. */
  close(): void {
    this.isOver = true
    this.#held = []
  }

  #flush(): void {
    for (let piece = this.#held[0]; piece && this.#window.open > 0; piece = this.#held[0]) {
      const taken = this.#window.take(Math.min(piece.byteLength, limits.sandboxLink.chunkBytes))
      this.#options.write(taken === piece.byteLength ? piece : piece.subarray(0, taken))
      if (taken === piece.byteLength) this.#held.shift()
      else this.#held[0] = piece.subarray(taken)
    }
    if (!this.#isEnding || this.#held.length > 0 || this.isOver) return
    this.isOver = true
    this.#options.finish()
  }
}
