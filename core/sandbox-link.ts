/**
 * One end of a link with a tenant process: frames in, frames out, and whatever is wrong ends it.
 *
 * Reading is fair. In one turn of the event loop a link gives no more than `turnBytes`; if a budget is set, a link
 * whose frames make more work than that is not read for a while. What is not read stays with whoever wrote it, so a
 * flood costs the tenant its own memory and slows nobody else.
 */

import type { Socket } from 'node:net'
import { limits } from './limits.ts'
import { createFrameWriter, type FrameWriter } from './sandbox-frame-writer.ts'
import { createFrameReader, frameTypes } from './sandbox-frames.ts'

/** What a link is made with. */
export interface FrameLinkOptions {
  readonly socket: Socket
  /** Takes a frame; see `FrameReaderOptions.onFrame`. What it throws ends the link. */
  readonly onFrame: (type: number, stream: number, payload: Buffer) => void
  /** Called once, when the link is over: `fault` says what the other end did wrong, undefined where it just ended. */
  readonly onEnd: (fault: string | undefined) => void
  /** How much work frames may make, in units of {@link frameCost}: so much at once, then so much per second. */
  readonly budget?: { readonly burst: number; readonly perSecond: number }
}

/** One end of a link. */
export interface FrameLink extends FrameWriter {
  readonly isOpen: boolean
  /** Whether its reader has stopped for a while because of its budget. */
  readonly isHeld: boolean
  /** Resolves when the socket takes more, or the link is over. */
  whenDrained(): Promise<void>
  /** Ends the link and says that the other end is to blame. */
  fail(fault: string): void
  /** Ends the link. What was written before is sent if the other end takes it at once. */
  close(): void
}

/** The work that a frame makes: bodies are passed on as they are, everything else is parsed. */
export function frameCost(type: number, bytes: number): number {
  return type === frameTypes.body ? 1 : 1 + Math.ceil(bytes / 1024)
}

/** Begins to read a socket as a link. The socket is the link's from now on. */
export function createFrameLink({ socket, onFrame, onEnd, budget }: FrameLinkOptions): FrameLink {
  let isOpen = true
  let turnBytes = 0
  let units = budget?.burst ?? 0
  let countedAtMs = performance.now()
  let hold: NodeJS.Timeout | undefined
  let drained: PromiseWithResolvers<void> | undefined
  const reader = createFrameReader({
    onFrame(type, stream, payload) {
      units -= frameCost(type, payload.length)
      try {
        onFrame(type, stream, payload)
      } catch (error) {
        end(`a frame could not be taken: ${error instanceof Error ? error.message : 'unknown'}`)
      }
    },
    onFault: (reason) => end(reason),
  })
  const writer = createFrameWriter(socket, () => end('it does not read what it is sent'))

  function end(fault: string | undefined): void {
    if (!isOpen) return
    isOpen = false
    clearTimeout(hold)
    reader.stop()
    socket.destroy()
    wake()
    onEnd(fault)
  }

  function wake(): void {
    drained?.resolve()
    drained = undefined
  }

  /** After a piece: whether to go on reading in this turn. */
  function afterPiece(bytes: number): void {
    if (turnBytes === 0) setImmediate(nextTurn)
    turnBytes += bytes
    if (budget) refill(budget)
    if (turnBytes >= limits.sandboxLink.turnBytes || hold) socket.pause()
  }

  function nextTurn(): void {
    turnBytes = 0
    if (isOpen && !hold) socket.resume()
  }

  function refill({ burst, perSecond }: { burst: number; perSecond: number }): void {
    const nowMs = performance.now()
    units = Math.min(burst, units + ((nowMs - countedAtMs) / 1000) * perSecond)
    countedAtMs = nowMs
    if (units >= 0 || hold) return
    // Until the debt is paid; a deep one came from one piece, so this is bounded.
    const waitMs = (-units / perSecond) * 1000
    hold = setTimeout(() => {
      hold = undefined
      if (isOpen) socket.resume()
    }, waitMs)
  }

  socket.on('data', (piece: Buffer) => {
    if (!isOpen) return
    reader.push(piece)
    if (isOpen) afterPiece(piece.length)
  })
  socket.on('drain', wake)
  socket.on('error', () => end(undefined))
  socket.on('end', () => end(undefined))
  socket.on('close', () => end(undefined))

  return {
    write: (type, stream, payload) => isOpen && writer.write(type, stream, payload),
    writeWhole: (type, stream, head, body) => isOpen && writer.writeWhole(type, stream, head, body),
    credit: (stream, bytes) => {
      if (isOpen) writer.credit(stream, bytes)
    },
    flush: () => writer.flush(),
    get queuedBytes() {
      return writer.queuedBytes
    },
    get isOpen() {
      return isOpen
    },
    get isHeld() {
      return hold !== undefined
    },
    whenDrained() {
      if (!isOpen || !socket.writableNeedDrain) return Promise.resolve()
      drained ??= Promise.withResolvers<void>()
      return drained.promise
    },
    fail: (fault) => end(fault),
    close() {
      writer.flush()
      end(undefined)
    },
  }
}
