/**
 * Bodies of answers as site code gets them: decoded, and not longer than they may be.
 *
 * What is counted is what comes out of the decoder, so that a small body that stands for a large one gets no further; it
 * is decoded only as fast as it is taken.
 */

import { pipeline, type Readable, Transform } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { GroveError } from '../../core/errors.ts'
import { getHeader, type HeaderList, withoutHeaders } from '../../core/headers.ts'
import { toFetchError } from './fetch-faults.ts'

/** An answer's headers and body after decoding. */
export interface Decoded {
  readonly headers: HeaderList
  readonly body: Readable
}

/** How a body is decoded. */
export interface DecodeOptions {
  /** Of the decoded body. */
  readonly mostBytes: number
  /** Whose it is, for errors. */
  readonly authority: string
}

const decodedNames: ReadonlySet<string> = new Set(['content-encoding', 'content-length'])

/**
 * A body decoded from gzip, the one coding that is asked for; one in another coding stays as it is, and keeps the header
 * that says so. The body errors with `ERR_TOO_LARGE` beyond
 * `mostBytes`, and with what {@link toFetchError} makes of anything else.
 */
export function decodeBody(headers: HeaderList, body: Readable, { mostBytes, authority }: DecodeOptions): Decoded {
  const coding = getHeader(headers, 'content-encoding')?.trim().toLowerCase()
  const bounded = createBound(mostBytes, authority)
  const done = () => undefined // Errors reach whoever reads the last stream.
  if (coding !== 'gzip' && coding !== 'x-gzip') {
    const declared = Number(getHeader(headers, 'content-length') ?? 0)
    if (declared > mostBytes) body.destroy(tooLarge(mostBytes))
    return { headers, body: quiet(pipeline(body, bounded, done)) }
  }
  return {
    headers: withoutHeaders(headers, decodedNames),
    body: quiet(pipeline(body, createGunzip(), bounded, done)),
  }
}

function createBound(mostBytes: number, authority: string): Transform {
  let bytes = 0
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      if (bytes > mostBytes) done(tooLarge(mostBytes))
      else done(null, chunk)
    },
    destroy(error, done) {
      done(error && toFetchError(error, authority))
    },
  })
}

function tooLarge(mostBytes: number): GroveError {
  return new GroveError('ERR_TOO_LARGE', `the answer has more than ${mostBytes} bytes`, {
    details: { limit: 'fetchedBytes', most: mostBytes },
  })
}

/** It may fail before whoever takes it listens; they then find it destroyed. */
function quiet<Stream extends Readable>(stream: Stream): Stream {
  stream.on('error', () => undefined)
  return stream
}
