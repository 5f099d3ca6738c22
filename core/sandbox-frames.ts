/**
 * The binary frames of the links with a tenant process: `u32le bytesOfRest | u8 type | u32le stream | payload`.
 *
 * A link carries many requests or operations at one time, each with a stream number of its own. Whoever begins a
 * stream chooses its number: a front those of requests, the supervisor even ones for `load`, a tenant odd ones for
 * operations; a number is not used again while it is in use. Bodies go in pieces of at most 64 KiB, and no more of a
 * body is sent than the other end has given credit for (see sandbox-window.ts).
 *
 * What comes from a tenant may be anything: a reader keeps at most one frame, and says once what does not fit.
 */

import { limits } from './limits.ts'

/** Types of frames. The JSON of each is in sandbox-messages.ts. */
export const frameTypes = {
  /** Front to tenant, JSON: a request begins. */
  request: 1,
  /** JSON: the head of an answer, from a tenant for a request, from the supervisor for an operation. */
  answer: 2,
  /** A piece of a body. */
  body: 3,
  /** The body is whole. Empty. */
  end: 4,
  /** `u32le`: so many bytes more of the body may be sent. */
  credit: 5,
  /** Nobody wants the answer any more: the stream is over in both directions. Empty. */
  cancel: 6,
  /** JSON: the stream is over without an answer, or its body breaks off. */
  failed: 7,
  /** Tenant to front: answer as if there were no code (`passThroughOnException`). Empty. */
  pass: 8,
  /** A WebSocket message, a text or bytes, and the end of a WebSocket, JSON. In both directions. */
  textMessage: 9,
  bytesMessage: 10,
  closeSocket: 11,
  /** Front to tenant: a request with all of its body (sandbox-whole.ts). */
  wholeRequest: 12,
  /** Tenant to front: an answer with all of its body; the stream is over. */
  wholeAnswer: 13,
  /** Supervisor to tenant, stream 0, before the first `load`: the guest's prelude, UTF-8, whole. */
  prelude: 15,
  /** Supervisor to tenant, JSON, then a body: code to load. */
  load: 16,
  /** Tenant to supervisor, JSON: the code is loaded. */
  loaded: 17,
  /** Supervisor to tenant, JSON: a code is not needed any more. */
  unload: 18,
  /** Tenant to supervisor, JSON: an operation of the host begins. */
  op: 19,
  /** Tenant to supervisor, JSON: a line of the site's log. Stream 0. */
  log: 20,
  /** Tenant to supervisor, JSON: what a request has used. Stream 0. */
  usage: 21,
  /** Tenant to supervisor: the event loop turns. Empty, stream 0. The first one says that the process is ready. */
  beat: 22,
} as const

/** One of the numbers of {@link frameTypes}. */
export type FrameType = (typeof frameTypes)[keyof typeof frameTypes]

/** Bytes of a frame before its payload. */
export const frameHeadBytes = 9

/** A frame's bytes that its length does not count: the length itself. */
const lengthBytes = 4
/** The least that a length can count: type and stream. */
const leastRest = frameHeadBytes - lengthBytes

/**
 * One frame as bytes. A text is written as UTF-8. Throws `RangeError` when the payload is larger than
 * `limits.sandboxLink.payloadBytes`.
 */
export function encodeFrame(type: FrameType, stream: number, payload?: Uint8Array | string): Buffer {
  const bytes =
    payload === undefined ? 0 : typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength
  const frame = Buffer.allocUnsafe(frameHeadBytes + bytes)
  encodeFrameHead(frame, type, stream, bytes)
  if (typeof payload === 'string') frame.write(payload, frameHeadBytes, 'utf8')
  else if (payload !== undefined) frame.set(payload, frameHeadBytes)
  return frame
}

/** Writes what stands before a payload to the beginning of a buffer. Throws as {@link encodeFrame} does. */
export function encodeFrameHead(frame: Buffer, type: FrameType, stream: number, payloadBytes: number): void {
  if (payloadBytes > limits.sandboxLink.payloadBytes)
    throw new RangeError(`a frame carries at most ${limits.sandboxLink.payloadBytes} bytes`)
  frame.writeUInt32LE(leastRest + payloadBytes, 0)
  frame[lengthBytes] = type
  frame.writeUInt32LE(stream, lengthBytes + 1)
}

/** A credit frame: the other end may send so many bytes more. */
export function encodeCredit(stream: number, bytes: number): Buffer {
  const frame = Buffer.allocUnsafe(frameHeadBytes + 4)
  encodeFrameHead(frame, frameTypes.credit, stream, 4)
  frame.writeUInt32LE(bytes, frameHeadBytes)
  return frame
}

/** The bytes that a credit frame gives, or undefined if it is none that could be meant. */
export function readCredit(payload: Buffer): number | undefined {
  if (payload.length !== 4) return undefined
  const bytes = payload.readUInt32LE(0)
  return bytes > 0 && bytes <= limits.sandboxLink.windowBytes ? bytes : undefined
}

/** What a reader is made with. */
export interface FrameReaderOptions {
  /**
   * Takes a frame. The payload may be a view into what was read, which stays valid and keeps up to 64 KiB alive: copy
   * what is small and kept. The type may be any number of 0 to 255.
   */
  readonly onFrame: (type: number, stream: number, payload: Buffer) => void
  /** Called once when the bytes are no frames; nothing is read after that. */
  readonly onFault: (reason: string) => void
  /** The largest payload. @default limits.sandboxLink.payloadBytes */
  readonly maxBytes?: number
}

/** Reads frames out of pieces of any size. */
export interface FrameReader {
  /** Takes the next piece. Frames that are whole with it are given out before it returns. */
  push(piece: Buffer): void
  /** Gives out nothing more, not even what a piece that is being taken still has. */
  stop(): void
}

/** Makes a reader. It keeps at most one frame, in a buffer of its own, so that tiny pieces cost nothing. */
export function createFrameReader(options: FrameReaderOptions): FrameReader {
  const { onFrame, onFault, maxBytes = limits.sandboxLink.payloadBytes } = options
  const head = Buffer.alloc(frameHeadBytes)
  /** What has been read of a head that is not whole. */
  let headBytes = 0
  /** A payload that is not whole, and what is there of it. */
  let payload: Buffer | undefined
  let payloadBytes = 0
  let isOver = false

  /** The payload's length that a head tells, or undefined after a fault. */
  function lengthOf(from: Buffer, at: number): number | undefined {
    const length = from.readUInt32LE(at) - leastRest
    if (length >= 0 && length <= maxBytes) return length
    isOver = true
    onFault(
      length < 0 ? 'a frame without type and stream' : `a frame of ${length} bytes, at most ${maxBytes} are taken`,
    )
    return undefined
  }

  function give(from: Buffer, at: number, content: Buffer): void {
    onFrame(from[at + lengthBytes] as number, from.readUInt32LE(at + lengthBytes + 1), content)
  }

  /** Fills up a frame that began in an earlier piece. Answers where the piece goes on. */
  function fill(piece: Buffer): number {
    let at = 0
    if (!payload) {
      at = piece.copy(head, headBytes, 0, frameHeadBytes - headBytes)
      headBytes += at
      if (headBytes < frameHeadBytes) return at
      const length = lengthOf(head, 0)
      if (length === undefined) return at
      // Memory that nothing was written to costs nothing, so a length that is not followed by bytes is cheap.
      payload = length === 0 ? Buffer.alloc(0) : Buffer.allocUnsafeSlow(length)
      payloadBytes = 0
    }
    const taken = piece.copy(payload, payloadBytes, at)
    payloadBytes += taken
    if (payloadBytes < payload.length) return at + taken
    const whole = payload
    payload = undefined
    headBytes = 0
    give(head, 0, whole)
    return at + taken
  }

  return {
    push(piece) {
      if (isOver) return
      let at = headBytes > 0 ? fill(piece) : 0
      while (!isOver && piece.length - at >= frameHeadBytes) {
        const length = lengthOf(piece, at)
        if (length === undefined || piece.length - at - frameHeadBytes < length) break
        const begin = at
        at += frameHeadBytes + length
        give(piece, begin, piece.subarray(begin + frameHeadBytes, at))
      }
      if (!isOver && at < piece.length) fill(at === 0 ? piece : piece.subarray(at))
    },
    stop() {
      isOver = true
      payload = undefined
    },
  }
}
