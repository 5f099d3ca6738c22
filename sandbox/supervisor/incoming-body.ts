/** The body of an operation's request as a stream that gives credit for what was read of it, and for no more. */

import { Readable } from 'node:stream'
import { limits } from '../../core/limits.ts'
import { createReceiveWindow } from '../../core/sandbox-window.ts'

/** A body that comes in by frames. */
export interface IncomingBody {
  readonly stream: Readable
  /** Takes a piece. Answers false if there was no credit for it. */
  arrive(piece: Buffer): boolean
  /** The body is whole. */
  finish(): void
}

/** Pieces that wait before they are joined: tiny ones would cost more than they hold. */
const mostPieces = 256

/** A body of which nothing has come. `give` is called with credit for the other end. */
export function createIncomingBody(give: (bytes: number) => void): IncomingBody {
  const window = createReceiveWindow()
  let pieces: Buffer[] = []
  let isWhole = false
  let isWanted = false

  function pump(): void {
    while (isWanted && pieces.length > 0) {
      const piece = pieces.shift() as Buffer
      const credit = window.consume(piece.length)
      if (credit > 0) give(credit)
      isWanted = stream.push(piece)
    }
    if (isWhole && pieces.length === 0) stream.push(null)
  }

  const stream = new Readable({
    highWaterMark: limits.sandboxLink.chunkBytes,
    read() {
      isWanted = true
      pump()
    },
    destroy(error, done) {
      pieces = []
      done(error)
    },
  })
  // Whoever reads it is told; where nobody does, nothing is lost.
  stream.on('error', () => {})

  return {
    stream,
    arrive(piece) {
      if (!window.arrive(piece.length)) return false
      if (stream.destroyed || isWhole) return true
      pieces.push(piece)
      if (pieces.length > mostPieces) pieces = [Buffer.concat(pieces)]
      pump()
      return true
    },
    finish() {
      if (isWhole || stream.destroyed) return
      isWhole = true
      pump()
    },
  }
}
