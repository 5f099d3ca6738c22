/** Bounds on the size of request bodies, both as announced and as they come. */

import { Readable } from 'node:stream'
import { GroveError } from '../core/errors.ts'
import { getHeader, type HeaderList } from '../core/headers.ts'

/**
 * Throws `ERR_TOO_LARGE` when a request announces a larger body, so that not a byte of it need be read. Answers whether it
 * announces any length.
 */
export function checkAnnouncedLength(headers: HeaderList, maxBytes: number): boolean {
  const length = getHeader(headers, 'content-length')
  if (length !== undefined && Number(length) > maxBytes) throw tooLarge(maxBytes)
  return length !== undefined
}

/**
 * The same body, which errors with `ERR_TOO_LARGE` (413) instead of the chunk that would pass `maxBytes`. Reads the
 * source only as fast as it is read itself. The source is left open: the connection that it comes from still has to
 * carry the answer.
 */
export function limitBody(source: Readable, maxBytes: number): Readable {
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    let bytes = 0
    for await (const chunk of source.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Uint8Array).length
      if (bytes > maxBytes) throw tooLarge(maxBytes)
      yield chunk
    }
  }
  const body = Readable.from(chunks(), { objectMode: false })
  body.on('error', () => {}) // It may fail after whoever read it has turned away; readers have listeners of their own.
  return body
}

function tooLarge(maxBytes: number): GroveError {
  return new GroveError('ERR_TOO_LARGE', `request body is larger than ${maxBytes} bytes`)
}
