/**
 * A typed message channel between two Grove processes over a local socket: one JSON text per line, checked by a schema
 * on both ends, with calls that are answered.
 *
 * Bounds: a frame, the calls under way, and the bytes queued to a peer that does not read (then the channel closes: a
 * process that does not keep up is replaced rather than waited for). It trusts the peer to be Grove (the socket is
 * 0600), yet a frame that does not fit the schema closes the channel instead of going on with half a truth.
 */

import type { Socket } from 'node:net'
import { z } from 'zod'
import { fromPlainError, GroveError, type PlainError, plainErrorSchema, toPlainError } from './errors.ts'
import { limits } from './limits.ts'

const frameSchema = z.object({
  /** Set on a call; its answer carries the same number in `re`. */
  id: z.int().positive().optional(),
  re: z.int().positive().optional(),
  message: z.unknown().optional(),
  error: plainErrorSchema.optional(),
})

type Frame = z.output<typeof frameSchema>

interface Pending {
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: GroveError) => void
  readonly timer: NodeJS.Timeout
}

/** What a channel is made with. */
export interface ChannelOptions<In> {
  /** The schema of messages that come in. */
  readonly incoming: z.ZodType<In>
  /** Takes every message; for a call its result (plain JSON) is the answer, and a throw reaches the caller as an error. */
  readonly receive: (message: In) => unknown
  /** Called once when the channel is closed by either side; `error` says why if it was not orderly. */
  readonly closed?: (error: GroveError | undefined) => void
}

/** One end of a channel: sends `Out`, receives `In`. */
export class Channel<In, Out> {
  readonly #socket: Socket
  readonly #options: ChannelOptions<In>
  readonly #pending = new Map<number, Pending>()
  #chunks: Buffer[] = []
  #chunkBytes = 0
  #nextId = 1
  #open = true

  constructor(socket: Socket, options: ChannelOptions<In>) {
    this.#socket = socket
    this.#options = options
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', (error) => this.#end(new GroveError('ERR_CHANNEL', 'channel broke', { cause: error })))
    socket.on('close', () => this.#end(undefined))
  }

  /** Whether messages can still be sent. */
  get open(): boolean {
    return this.#open
  }

  /** Sends a message that nobody answers. Does nothing when the channel is closed. */
  send(message: Out): void {
    this.#write({ message })
  }

  /**
   * Sends a message and resolves with its answer. Rejects with the error of the other end, `ERR_TIMEOUT` after
   * `timeoutMs`, or `ERR_CLOSED`. The caller checks the answer's shape.
   */
  call(message: Out, timeoutMs: number = limits.channel.callTimeoutMs): Promise<unknown> {
    if (!this.#open) return Promise.reject(new GroveError('ERR_CLOSED', 'channel is closed'))
    if (this.#pending.size >= limits.channel.pending)
      return Promise.reject(new GroveError('ERR_TOO_MANY', `more than ${limits.channel.pending} calls under way`))
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id)
        reject(new GroveError('ERR_TIMEOUT', `no answer within ${Math.round(timeoutMs)} ms`))
      }, timeoutMs)
      this.#pending.set(id, { resolve, reject, timer })
      this.#write({ id, message })
    })
  }

  /** Closes the channel after what was sent. */
  close(): void {
    if (this.#open) this.#socket.end()
  }

  #write(frame: { id?: number; re?: number; message?: unknown; error?: PlainError }): void {
    if (!this.#open) return
    this.#socket.write(`${JSON.stringify(frame)}\n`)
    if (this.#socket.writableLength > limits.channel.queuedBytes) {
      this.#end(new GroveError('ERR_CHANNEL', `peer left more than ${limits.channel.queuedBytes} bytes unread`))
    }
  }

  #read(chunk: Buffer): void {
    let start = 0
    for (let end = chunk.indexOf(10); end !== -1 && this.#open; end = chunk.indexOf(10, start)) {
      this.#chunks.push(chunk.subarray(start, end))
      const line = this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks)
      this.#chunks = []
      this.#chunkBytes = 0
      start = end + 1
      this.#frame(line)
    }
    if (start === chunk.length || !this.#open) return
    this.#chunks.push(chunk.subarray(start))
    this.#chunkBytes += chunk.length - start
    if (this.#chunkBytes > limits.channel.frameBytes)
      this.#end(new GroveError('ERR_CHANNEL', `frame of more than ${limits.channel.frameBytes} bytes`))
  }

  #frame(line: Buffer): void {
    let frame: Frame
    try {
      frame = frameSchema.parse(JSON.parse(line.toString('utf8')))
    } catch (error) {
      this.#end(new GroveError('ERR_CHANNEL', 'frame is not what a Grove process sends', { cause: error }))
      return
    }
    if (frame.re !== undefined) this.#settle(frame.re, frame)
    else void this.#deliver(frame)
  }

  #settle(id: number, frame: Frame): void {
    const pending = this.#pending.get(id)
    if (!pending) return // Its caller gave up.
    this.#pending.delete(id)
    clearTimeout(pending.timer)
    if (frame.error) pending.reject(fromPlainError(frame.error))
    else pending.resolve(frame.message)
  }

  async #deliver(frame: Frame): Promise<void> {
    const parsed = this.#options.incoming.safeParse(frame.message)
    if (!parsed.success) {
      this.#end(new GroveError('ERR_CHANNEL', 'message does not fit its schema', { cause: parsed.error }))
      return
    }
    try {
      const answer = await this.#options.receive(parsed.data)
      if (frame.id !== undefined) this.#write({ re: frame.id, message: answer })
    } catch (error) {
      // A message without an id has no one to tell; receivers log what they cannot do.
      if (frame.id !== undefined) this.#write({ re: frame.id, error: toPlainError(error) })
    }
  }

  #end(error: GroveError | undefined): void {
    if (!this.#open) return
    this.#open = false
    this.#chunks = []
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer)
      reject(new GroveError('ERR_CLOSED', 'channel closed before the answer came', error && { cause: error }))
    }
    this.#pending.clear()
    this.#socket.destroy()
    this.#options.closed?.(error)
  }
}
