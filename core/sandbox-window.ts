/**
 * Credit for bodies on a link: no end sends more of a body than the other has room for, so a slow reader slows the
 * writer and nobody keeps what does not fit.
 */

import { limits } from './limits.ts'

/** What may still be sent of one body. */
export interface SendWindow {
  /** Bytes that may be sent now. */
  readonly open: number
  /** Takes at most `bytes` for sending and answers how many. */
  take(bytes: number): number
  /** Adds what the other end has given. Answers false if that is more than it can have taken: a fault. */
  give(bytes: number): boolean
}

/** The sending side of one body. */
export function createSendWindow(windowBytes: number = limits.sandboxLink.windowBytes): SendWindow {
  let open = windowBytes
  return {
    get open() {
      return open
    },
    take(bytes) {
      const taken = Math.min(bytes, open)
      open -= taken
      return taken
    },
    give(bytes) {
      open += bytes
      return open <= windowBytes
    },
  }
}

/** What the other end may still send of one body. */
export interface ReceiveWindow {
  /** Counts bytes that have come. Answers false if they were not allowed: a fault. */
  arrive(bytes: number): boolean
  /**
   * Counts bytes that were used up. Answers the credit to give now, 0 for none yet: it is given in large pieces, since
   * each costs a frame.
   */
  consume(bytes: number): number
}

/** The receiving side of one body. */
export function createReceiveWindow(windowBytes: number = limits.sandboxLink.windowBytes): ReceiveWindow {
  let open = windowBytes
  let owed = 0
  return {
    arrive(bytes) {
      open -= bytes
      return open >= 0
    },
    consume(bytes) {
      owed += bytes
      if (owed < windowBytes / 4) return 0
      const given = owed
      owed = 0
      open += given
      return given
    },
  }
}
