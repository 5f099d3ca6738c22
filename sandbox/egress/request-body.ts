/** Bodies that site code sends. */

import { Readable } from 'node:stream'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

/** A body on its way out, and again if a redirect wants it. */
export interface OutgoingBody {
  /** What undici sends. To be used once. */
  readonly stream: Readable | Uint8Array
  /** The whole body for the next server, if all of it was sent and is small enough to have been kept; else undefined. */
  again(): Uint8Array | undefined
}

/**
 * A body that is sent. A small one is kept as it passes: the Fetch Standard follows no redirect that wants a stream
 * again, but a body that the code gave as a text comes here as a stream, too. Errors with `ERR_TOO_LARGE` beyond
 * `mostBytes`. The source is destroyed when nobody wants more of it.
 */
export function createOutgoingBody(source: Readable | Uint8Array, mostBytes: number): OutgoingBody {
  if (source instanceof Uint8Array) return { stream: source, again: () => source }
  let kept: Buffer[] | undefined = []
  let bytes = 0
  let isWhole = false
  const pieces = async function* (): AsyncGenerator<Buffer> {
    try {
      // Not destroyed by the iterator, which would give it an error that is not its own.
      for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        bytes += chunk.length
        if (bytes > mostBytes) throw tooLarge(mostBytes)
        if (bytes > limits.egress.replayBytes) kept = undefined
        kept?.push(chunk)
        yield chunk
      }
      isWhole = true
    } finally {
      source.destroy()
    }
  }
  const stream = Readable.from(pieces(), { objectMode: false })
  stream.on('error', () => undefined) // The request fails with it.
  return { stream, again: () => (isWhole && kept ? Buffer.concat(kept) : undefined) }
}

function tooLarge(mostBytes: number): GroveError {
  return new GroveError('ERR_TOO_LARGE', `the body has more than ${mostBytes} bytes`, {
    details: { limit: 'streamedBodyBytes', most: mostBytes },
  })
}
