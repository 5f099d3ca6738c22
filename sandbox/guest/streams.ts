/**
 * Streams (Streams Standard), from `web-streams-polyfill`, and what the prelude does with them. Streams of the host are byte
 * streams without a queue of their own: a piece is asked of the host when somebody reads.
 */

import './early-globals.ts'
import {
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
  ReadableByteStreamController,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
  TransformStream,
  TransformStreamDefaultController,
  WritableStream,
  WritableStreamDefaultController,
  WritableStreamDefaultWriter,
} from 'web-streams-polyfill'
import type { Incoming } from './incoming.ts'
import { bytes, objects, promises, uncurry, uncurryGetter, weakMaps } from './primordials.ts'

/** The classes of the standard, to be put on the global. Keyed by name. */
export const streamClasses = {
  ByteLengthQueuingStrategy,
  CountQueuingStrategy,
  ReadableByteStreamController,
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest,
  ReadableStreamDefaultController,
  ReadableStreamDefaultReader,
  TransformStream,
  TransformStreamDefaultController,
  WritableStream,
  WritableStreamDefaultController,
  WritableStreamDefaultWriter,
} as const

const isLockedByGetter = uncurryGetter<ReadableStream, boolean>(ReadableStream.prototype, 'locked')
const getReader = uncurry(ReadableStream.prototype.getReader) as (
  stream: ReadableStream,
) => ReadableStreamDefaultReader<unknown>
const cancel = uncurry(ReadableStream.prototype.cancel) as (stream: ReadableStream, reason: unknown) => Promise<void>
const tee = uncurry(ReadableStream.prototype.tee) as (stream: ReadableStream) => [ReadableStream, ReadableStream]
const pipeThrough = uncurry(ReadableStream.prototype.pipeThrough) as (
  stream: ReadableStream,
  transform: TransformStream,
) => ReadableStream
const read = uncurry(ReadableStreamDefaultReader.prototype.read) as (
  reader: ReadableStreamDefaultReader<unknown>,
) => Promise<{ readonly done: boolean; readonly value?: unknown }>
const cancelReader = uncurry(ReadableStreamDefaultReader.prototype.cancel) as (
  reader: ReadableStreamDefaultReader<unknown>,
  reason: unknown,
) => Promise<void>

/** The streams that are made of a body of the host, so that a body passed on goes straight from one to the other. */
const incomingOf = new WeakMap<ReadableStream, Incoming>()

/** Whether a value is a ReadableStream, by its brand. */
export function isReadableStream(value: unknown): value is ReadableStream {
  if (typeof value !== 'object' || value === null) return false
  try {
    isLockedByGetter(value as ReadableStream)
    return true
  } catch {
    return false
  }
}

/** Whether a stream was read from or cancelled. */
export function isDisturbed(stream: ReadableStream): boolean {
  return (stream as unknown as { readonly _disturbed: boolean })._disturbed
}

/** Whether a stream cannot be a body (any more): it is locked or disturbed. */
export function isUnusable(stream: ReadableStream): boolean {
  return isDisturbed(stream) || isLockedByGetter(stream)
}

/** A stream's pieces, one after the other; the stream is locked from now on. */
export interface PieceReader {
  /** The next piece, whatever it is; undefined at the end. */
  read(): Promise<{ readonly piece: unknown } | undefined>
  cancel(reason: unknown): void
}

/** Locks a stream and reads it. */
export function openReader(stream: ReadableStream): PieceReader {
  const reader = getReader(stream)
  return {
    async read() {
      const step = await read(reader)
      return step.done ? undefined : { piece: step.value }
    },
    cancel: (reason) => promises.ignore(cancelReader(reader, reason)),
  }
}

/** Cancels a stream that nobody has locked. */
export function cancelStream(stream: ReadableStream, reason: unknown): void {
  promises.ignore(cancel(stream, reason))
}

/** Two streams of one, which is locked from now on. */
export function teeStream(stream: ReadableStream): { readonly first: ReadableStream; readonly second: ReadableStream } {
  const branches = tee(stream)
  return { first: branches[0], second: branches[1] }
}

/** A stream of what another gives, which is locked from now on. */
export function proxyStream(stream: ReadableStream): ReadableStream {
  return pipeThrough(stream, new TransformStream())
}

/** A byte stream of a body of the host. */
export function createHostStream(incoming: Incoming): ReadableStream {
  const source = createSource({
    start(controller) {
      incoming.onFailed = (error) => failBytes(controller, error)
    },
    async pull(controller) {
      const piece = await incoming.read()
      if (piece === undefined) closeBytes(controller)
      else enqueueBytes(controller, piece)
    },
    cancel: () => incoming.cancel(),
  })
  const stream = new ReadableStream(source)
  weakMaps.set(incomingOf, stream, incoming)
  return stream
}

/** The body of the host that an untouched stream is made of, to be read directly: the stream is locked from now on. */
export function takeIncoming(stream: ReadableStream): Incoming | undefined {
  const incoming = weakMaps.get(incomingOf, stream)
  if (incoming === undefined || isUnusable(stream)) return undefined
  getReader(stream)
  return incoming
}

/** A byte stream of bytes that are all here. `give` makes them, when they are asked for. */
export function createBytesStream(give: () => Uint8Array<ArrayBuffer>): ReadableStream {
  return new ReadableStream(
    createSource({
      pull(controller) {
        const data = give()
        if (bytes.byteLength(data) > 0) enqueueBytes(controller, data)
        closeBytes(controller)
      },
    }),
  )
}

/** A stream that was read to its end and stays locked: the `body` of what was consumed without a stream. */
export function createUsedStream(): ReadableStream {
  const stream = createBytesStream(() => new bytes.Array(0))
  promises.ignore(read(getReader(stream)))
  return stream
}

interface ByteSource {
  start?(controller: ReadableByteStreamController): void
  pull(controller: ReadableByteStreamController): void | Promise<void>
  cancel?(): void
}

/** An underlying source without a prototype, so that nothing put on `Object.prototype` becomes part of it. */
function createSource(source: ByteSource) {
  return objects.assign(objects.create(null), source, { type: 'bytes' as const })
}

const enqueueBytes = uncurry(ReadableByteStreamController.prototype.enqueue) as (
  controller: ReadableByteStreamController,
  piece: Uint8Array,
) => void
const failBytes = uncurry(ReadableByteStreamController.prototype.error) as (
  controller: ReadableByteStreamController,
  reason: unknown,
) => void
const close = uncurry(ReadableByteStreamController.prototype.close) as (
  controller: ReadableByteStreamController,
) => void
const byobRequest = uncurryGetter<ReadableByteStreamController, ReadableStreamBYOBRequest | null>(
  ReadableByteStreamController.prototype,
  'byobRequest',
)
const respond = uncurry(ReadableStreamBYOBRequest.prototype.respond) as (
  request: ReadableStreamBYOBRequest,
  count: number,
) => void

/** Closes a byte stream; a reader that brought a buffer is answered with nothing in it. */
function closeBytes(controller: ReadableByteStreamController): void {
  close(controller)
  const request = byobRequest(controller)
  if (request !== null) respond(request, 0)
}

/** What controllers of other streams do, whatever the site has put in the place of their methods. */
export const controllers = {
  enqueue: uncurry(ReadableStreamDefaultController.prototype.enqueue) as (controller: unknown, piece: unknown) => void,
  close: uncurry(ReadableStreamDefaultController.prototype.close) as (controller: unknown) => void,
  fail: uncurry(ReadableStreamDefaultController.prototype.error) as (controller: unknown, reason: unknown) => void,
  failWritable: uncurry(WritableStreamDefaultController.prototype.error) as (
    controller: unknown,
    reason: unknown,
  ) => void,
} as const
