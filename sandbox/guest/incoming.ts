/**
 * A body that comes in from the host, piece by piece and only as it is asked for: that is the back-pressure. Pieces that are
 * at hand come without a promise.
 */

import { type BridgeValue, deliveries, faults, ops, pulled } from '../bridge.ts'
import { call, limits } from './host.ts'
import { faultError, isUnderWay, toError } from './operations.ts'
import { bytes, type Deferred, promises } from './primordials.ts'

type Piece = Uint8Array<ArrayBuffer>

/** The bytes that come in for one request or operation. It is read by one reader at a time. */
export class Incoming {
  readonly #id: number
  readonly #onOver: () => void
  /** Called when the body breaks off, even if nobody is reading. */
  onFailed: ((error: unknown) => void) | undefined
  /** What came along with the head. */
  #first: Piece | undefined
  #over: boolean
  #error: unknown
  #failed = false
  #waiting: Deferred<Piece | undefined> | undefined

  /** `hasMore`: whether more is to be had with `pull`. `onOver` is called once, when nothing can come any more. */
  constructor(id: number, first: Piece | undefined, hasMore: boolean, onOver: () => void) {
    this.#id = id
    this.#first = first === undefined || bytes.byteLength(first) === 0 ? undefined : first
    this.#over = !hasMore
    this.#onOver = onOver
    if (this.#over) onOver()
  }

  /** The next piece; undefined at the end; `later` if it is to be waited for with {@link wait}. Throws what broke the body. */
  next(): Piece | undefined | 'later' {
    const first = this.#first
    if (first !== undefined) {
      this.#first = undefined
      return first
    }
    if (this.#failed) throw this.#error
    if (this.#over) return undefined
    const answer = call(ops.pull, this.#id)
    if (typeof answer === 'object') return answer as Piece
    // A body that the host has closed while it is under way has broken off: the reason is on its way.
    if (answer === pulled.later || (answer === faults.closed && isUnderWay(this.#id))) {
      this.#waiting = promises.withResolvers<Piece | undefined>()
      return 'later'
    }
    if (answer === pulled.ended) this.#finish()
    else this.fail(faultError(answer))
    if (this.#failed) throw this.#error
    return undefined
  }

  /** The piece that {@link next} said comes later. */
  wait(): Promise<Piece | undefined> {
    return this.#waiting?.promise ?? promises.of(undefined)
  }

  /** All of it as text, where it is here and nothing of it was taken; undefined where it is to be read piece by piece. */
  text(): string | undefined {
    if (this.#over || this.#failed || this.#first !== undefined) return undefined
    const text = call(ops.pullText, this.#id, limits.bufferedBodyBytes)
    if (typeof text !== 'string') return undefined
    this.#finish()
    return text
  }

  /** {@link next} and {@link wait} in one. */
  async read(): Promise<Piece | undefined> {
    const piece = this.next()
    return piece === 'later' ? await this.wait() : piece
  }

  /** No more is wanted: the host may throw it away. */
  cancel(): void {
    this.#first = undefined
    if (this.#over) return
    call(ops.cancelBody, this.#id)
    this.#finish()
  }

  /** The body breaks off here with an error; what came before it is lost too. */
  fail(error: unknown): void {
    if (this.#failed || (this.#over && this.#first === undefined)) return
    this.#failed = true
    this.#error = error
    this.#first = undefined
    const waiting = this.#waiting
    this.#waiting = undefined
    if (!this.#over) {
      this.#over = true
      this.#onOver()
    }
    this.onFailed?.(error)
    if (waiting === undefined) return
    promises.ignore(waiting.promise)
    waiting.reject(error)
  }

  /** Takes `chunk`, `ended` and `broken`. */
  receive(kind: number, payload: BridgeValue): void {
    if (kind === deliveries.broken) this.fail(toError(payload))
    else if (kind === deliveries.ended) this.#finish()
    else if (kind === deliveries.chunk && typeof payload === 'object') {
      const waiting = this.#waiting
      this.#waiting = undefined
      waiting?.resolve(payload as Piece)
    }
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve(undefined)
    this.#onOver()
  }
}
