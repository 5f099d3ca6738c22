/**
 * Small request bodies that are taken whole before anybody else is asked for anything.
 *
 * What a request waits for its client it waits alone: a client that sends a byte now and then holds a few bytes of
 * memory here, and not a connection that others are waiting for. All bodies together are bounded.
 */

import type { Readable } from 'node:stream'
import { GroveError } from '../core/errors.ts'
import { limitBody } from './body-limit.ts'

/** A body that has come whole. Dispose of it when its bytes are not needed any more. */
export interface HeldBody extends Disposable {
  readonly bytes: Buffer
}

/** Takes bodies. */
export interface HeldBodies {
  /**
   * A body to its end. Rejects with `ERR_TOO_LARGE` beyond `bodyBytes`, with `ERR_TOO_MANY` when there is no room, and
   * with the stream's own error.
   */
  take(source: Readable): Promise<HeldBody>
}

const firstBytes = 1_024

/** No bodies yet. `bodyBytes`: most of one; `totalBytes`: of memory for all that are held or still coming. */
export function createHeldBodies({ bodyBytes, totalBytes }: { bodyBytes: number; totalBytes: number }): HeldBodies {
  let heldBytes = 0

  return {
    async take(source) {
      let room = Buffer.alloc(0)
      let length = 0
      const free = () => {
        heldBytes -= room.length
        room = Buffer.alloc(0)
      }
      // Copied together: a chunk of one byte may be part of a large buffer, and would keep all of it.
      const grow = (needed: number) => {
        const bytes = Math.min(bodyBytes, Math.max(firstBytes, room.length * 2, needed))
        if (heldBytes + bytes - room.length > totalBytes)
          throw new GroveError('ERR_TOO_MANY', `more than ${totalBytes} bytes of request bodies are held`)
        heldBytes += bytes - room.length
        const larger = Buffer.allocUnsafeSlow(bytes)
        room.copy(larger, 0, 0, length)
        room = larger
      }
      try {
        for await (const chunk of limitBody(source, bodyBytes) as AsyncIterable<Buffer>) {
          if (length + chunk.length > room.length) grow(length + chunk.length)
          chunk.copy(room, length)
          length += chunk.length
        }
      } catch (error) {
        free()
        throw error
      }
      return { bytes: room.subarray(0, length), [Symbol.dispose]: free }
    },
  }
}
