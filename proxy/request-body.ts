/**
 * A request's body as a stream of its own, between the connection and whoever reads it.
 *
 * Readers destroy a body when they lose interest (undici does when an upstream fails). On node:http's request that
 * would close the connection, and on an HTTP/2 stream reset it, and no answer could be sent any more. Destroying this
 * one only stops the reading.
 */

import { Readable } from 'node:stream'
import { GroveError } from '../core/errors.ts'

/** The body of one request, taken from its connection no faster than it is read. */
export class RequestBody extends Readable {
  /** Bytes that have arrived. */
  receivedBytes = 0
  readonly #source: Readable
  readonly #isCut: () => boolean
  readonly #invite: (() => void) | undefined
  #started = false
  #waiting = false
  /** Set while it is being collected. */
  #collected: { readonly pieces: Buffer[]; readonly whole: PromiseWithResolvers<Buffer> } | undefined

  /**
   * `isCut` tells at the end of the source whether it is not the end of the body. `invite` is called once, at the first
   * read: it sends 100 Continue to a client that waits for it.
   */
  constructor(source: Readable, isCut: () => boolean, invite: (() => void) | undefined) {
    super()
    this.#source = source
    this.#isCut = isCut
    this.#invite = invite
    // A body that nobody reads may fail without harm; whoever reads it has a listener of its own.
    this.on('error', () => {})
  }

  /** Whether a reader has asked for bytes that the client has not sent yet. */
  get waiting(): boolean {
    return this.#waiting && !this.destroyed
  }

  /** Whether somebody has begun to read. */
  get started(): boolean {
    return this.#started
  }

  /**
   * All of it in one piece, past the queue of a stream; for a body that announces a small length, which the transport holds
   * it to. In place of reading it, and once only. Rejects with what broke it.
   */
  collect(): Promise<Buffer> {
    const whole = Promise.withResolvers<Buffer>()
    if (this.destroyed) {
      whole.reject(this.errored ?? wentAway())
      return whole.promise
    }
    this.#collected = { pieces: [], whole }
    this.#waiting = true
    this.#start()
    return whole.promise
  }

  override _read(): void {
    this.#waiting = true
    if (this.#started) this.#source.resume()
    else this.#start()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#waiting = false
    this.#source.off('data', this.#take)
    this.#source.off('end', this.#end)
    this.#source.off('close', this.#gone)
    if (this.#started && !this.#source.readableEnded) this.#source.pause()
    if (this.#collected) this.#collected.whole.reject(error ?? wentAway())
    done(error)
  }

  #start(): void {
    this.#started = true
    if (this.#source.destroyed) {
      this.#gone()
      return
    }
    this.#invite?.()
    this.#source.on('data', this.#take)
    this.#source.on('end', this.#end)
    this.#source.on('close', this.#gone)
  }

  readonly #take = (chunk: Buffer): void => {
    this.receivedBytes += chunk.length
    if (this.#collected) {
      this.#collected.pieces.push(chunk)
      return
    }
    if (this.push(chunk)) return
    this.#waiting = false
    this.#source.pause()
  }

  readonly #end = (): void => {
    this.#waiting = false
    if (this.#isCut()) this.#gone()
    else if (this.#collected) {
      this.#collected.whole.resolve(joined(this.#collected.pieces))
      this.#collected = undefined
    } else this.push(null)
  }

  readonly #gone = (): void => {
    // After its end a body is whole, and the source closes for other reasons.
    if (this.#source.readableEnded && !this.#isCut()) return
    this.destroy(wentAway())
  }
}

function joined(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
}

function wentAway(): GroveError {
  return new GroveError('ERR_CLOSED', 'client went away within its body')
}
