/**
 * CompressionStream and DecompressionStream (Compression Standard). The host does the work, in a thread of its own and under
 * caps. Pieces are asked for as they are read, so that a bomb fills nobody's memory.
 */

import type { ReadableStream, WritableStream } from 'web-streams-polyfill'
import { type BridgeValue, bridgeLimits, deliveries, operations } from '../bridge.ts'
import type { CompressArguments } from '../bridge-shapes.ts'
import { bytesOf, requireArguments, toEnum } from './convert.ts'
import { defineInterface } from './idl.ts'
import { Incoming } from './incoming.ts'
import { forgetOperation, startOperation, stopOperation, toError } from './operations.ts'
import { Outgoing } from './outgoing.ts'
import { bytes, objects, promises } from './primordials.ts'
import { controllers, streamClasses } from './streams.ts'

const formats = ['gzip', 'deflate', 'deflate-raw'] as const
type Format = (typeof formats)[number]
type Direction = CompressArguments['direction']

interface Pair {
  readonly readable: ReadableStream
  readonly writable: WritableStream
}

/** Compresses what is written to it. */
export class CompressionStream {
  readonly #pair: Pair

  constructor(format: unknown) {
    requireArguments(arguments.length, 1, 'CompressionStream')
    this.#pair = createPair(toEnum(format, formats, 'the format of a CompressionStream'), 'compress')
  }

  get readable(): ReadableStream {
    return this.#pair.readable
  }

  get writable(): WritableStream {
    return this.#pair.writable
  }
}
defineInterface(CompressionStream)

/** Decompresses what is written to it. What is damaged, cut off or followed by something else is a TypeError. */
export class DecompressionStream {
  readonly #pair: Pair

  constructor(format: unknown) {
    requireArguments(arguments.length, 1, 'DecompressionStream')
    this.#pair = createPair(toEnum(format, formats, 'the format of a DecompressionStream'), 'decompress')
  }

  get readable(): ReadableStream {
    return this.#pair.readable
  }

  get writable(): WritableStream {
    return this.#pair.writable
  }
}
defineInterface(DecompressionStream)

/** How much is read ahead after the last piece was written, so that `close` settles before anybody reads. */
const aheadBytes = bridgeLimits.wholeBytes

/** The two sides, and the host's operation between them, which is started when it is first needed. */
class Coder {
  readonly #args: CompressArguments
  #id = 0
  #incoming: Incoming | undefined
  #outgoing: Outgoing | undefined
  #readable: unknown
  #writable: unknown
  #error: { readonly reason: unknown } | undefined
  /** Settles when all that the host gives was taken, or it has failed. */
  readonly #finished = promises.withResolvers<void>()
  #isWanted = false
  #isEnded = false
  #isRunning = false
  #ahead = 0

  constructor(args: CompressArguments) {
    this.#args = args
    promises.ignore(this.#finished.promise)
  }

  setReadable(controller: unknown): void {
    this.#readable = controller
  }

  setWritable(controller: unknown): void {
    this.#writable = controller
  }

  async write(chunk: unknown): Promise<void> {
    try {
      await this.#start().sendBytes(bytesOf(chunk, 'what is written to a compression stream'))
    } catch (error) {
      this.fail(error)
    }
    this.#throwIfFailed()
  }

  async close(): Promise<void> {
    try {
      this.#start().end()
    } catch (error) {
      this.fail(error)
    }
    this.#isEnded = true
    void this.#run()
    await this.#finished.promise
  }

  pull(): Promise<void> {
    this.#isWanted = true
    this.#ahead = 0
    return this.#run()
  }

  /** One side gives up, or the host says that it is over. */
  fail(reason: unknown): void {
    if (this.#error !== undefined) return
    this.#error = { reason }
    if (this.#id !== 0) stopOperation(this.#id)
    controllers.fail(this.#readable, reason)
    controllers.failWritable(this.#writable, reason)
    this.#finished.reject(reason)
  }

  #throwIfFailed(): void {
    if (this.#error !== undefined) throw this.#error.reason
  }

  #start(): Outgoing {
    if (this.#outgoing !== undefined) return this.#outgoing
    this.#id = startOperation(operations.compress, this.#args, undefined, (kind, payload) =>
      this.#receive(kind, payload),
    )
    this.#outgoing = new Outgoing(this.#id, bridgeLimits.chunkBytes)
    this.#incoming = new Incoming(this.#id, undefined, true, () => forgetOperation(this.#id))
    return this.#outgoing
  }

  #receive(kind: number, payload: BridgeValue): void {
    if (kind === deliveries.error || kind === deliveries.broken) this.fail(toError(payload))
    else if (kind === deliveries.writable || kind === deliveries.cancelled) this.#outgoing?.receive(kind, payload)
    else this.#incoming?.receive(kind, payload)
  }

  /** Passes on what the host gives: while somebody reads, and somewhat ahead when nothing more is written. */
  async #run(): Promise<void> {
    if (this.#isRunning) return
    this.#isRunning = true
    try {
      while (this.#error === undefined && (this.#isWanted || (this.#isEnded && this.#ahead < aheadBytes))) {
        this.#start()
        const piece = await (this.#incoming as Incoming).read()
        if (piece === undefined) {
          controllers.close(this.#readable)
          this.#finished.resolve(undefined)
          return
        }
        this.#ahead += bytes.byteLength(piece)
        this.#isWanted = false
        controllers.enqueue(this.#readable, piece)
      }
    } catch (error) {
      this.fail(error)
    } finally {
      this.#isRunning = false
    }
  }
}

function createPair(format: Format, direction: Direction): Pair {
  const coder = new Coder({ format, direction })
  const readable = new streamClasses.ReadableStream(
    bare({
      start: (controller: unknown) => coder.setReadable(controller),
      pull: () => coder.pull(),
      cancel: (reason: unknown) => coder.fail(reason),
    }),
    bare({ highWaterMark: 0 }),
  )
  const writable = new streamClasses.WritableStream(
    bare({
      start: (controller: unknown) => coder.setWritable(controller),
      write: (chunk: unknown) => coder.write(chunk),
      close: () => coder.close(),
      abort: (reason: unknown) => coder.fail(reason),
    }),
  )
  return { readable, writable }
}

/** An object without a prototype, so that nothing put on `Object.prototype` becomes part of it. */
function bare<T extends object>(members: T): T {
  return objects.assign(objects.create(null), members)
}
