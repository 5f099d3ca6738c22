/** Writing frames to a socket: what one turn of the event loop writes goes together. */

import type { Writable } from 'node:stream'
import { limits } from './limits.ts'
import { encodeCredit, encodeFrame, encodeFrameHead, type FrameType, frameHeadBytes } from './sandbox-frames.ts'
import { encodeWhole } from './sandbox-whole.ts'

/** Writes frames to a socket, those of one turn of the event loop together. */
export interface FrameWriter {
  /**
   * Writes a frame soon. Bytes of a large payload are not copied and must not be changed any more. Answers whether the
   * socket takes them at once: if not, what can wait should wait. Does nothing once the socket is closed.
   */
  write(type: FrameType, stream: number, payload?: Uint8Array | string): boolean
  /** Writes a head and all of its body in one frame, as {@link FrameWriter.write} does. */
  writeWhole(type: FrameType, stream: number, head: string, body: string | Uint8Array): boolean
  /** Gives credit for a body that comes in. */
  credit(stream: number, bytes: number): void
  /** Writes at once what waits for the end of the turn. */
  flush(): void
  /** Bytes that wait for a socket that does not take them, beside those of this turn. */
  readonly queuedBytes: number
}

/**
 * Makes a writer. `onOverflow` is called once when more than `limits.sandboxLink.queuedBytes` wait: the other end does
 * not read, and the link is to be ended.
 */
export function createFrameWriter(socket: Writable, onOverflow: () => void): FrameWriter {
  let pieces: Uint8Array[] = []
  let waitingBytes = 0
  let isScheduled = false
  let isOver = false

  function flush(): void {
    isScheduled = false
    const batch = pieces
    const bytes = waitingBytes
    pieces = []
    waitingBytes = 0
    if (batch.length === 0 || isOver || !socket.writable) return
    if (batch.length === 1) socket.write(batch[0])
    else if (bytes <= limits.sandboxLink.joinedBytes) socket.write(Buffer.concat(batch, bytes))
    else {
      socket.cork()
      for (const piece of batch) socket.write(piece)
      socket.uncork()
    }
    if (socket.writableLength <= limits.sandboxLink.queuedBytes) return
    isOver = true
    onOverflow()
  }

  function push(piece: Uint8Array): void {
    pieces.push(piece)
    waitingBytes += piece.byteLength
    if (isScheduled) return
    isScheduled = true
    // After everything that was read in this turn has been answered, and before the next is read.
    setImmediate(flush)
  }

  /** After what is pushed: whether the socket takes more. */
  function pushed(): boolean {
    if (waitingBytes > limits.sandboxLink.joinedBytes) flush()
    return !socket.writableNeedDrain
  }

  return {
    write(type, stream, payload) {
      if (isOver) return false
      if (payload instanceof Uint8Array && payload.byteLength >= limits.sandboxLink.apartBytes) {
        const head = Buffer.allocUnsafe(frameHeadBytes)
        encodeFrameHead(head, type, stream, payload.byteLength)
        push(head)
        push(payload)
      } else push(encodeFrame(type, stream, payload))
      return pushed()
    },
    writeWhole(type, stream, head, body) {
      if (isOver) return false
      for (const piece of encodeWhole(type, stream, head, body)) push(piece)
      return pushed()
    },
    credit(stream, bytes) {
      if (!isOver) push(encodeCredit(stream, bytes))
    },
    flush,
    get queuedBytes() {
      return socket.writableLength
    },
  }
}
