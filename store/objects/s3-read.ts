/** Reading objects of a bucket: whole, in part, and on from where a connection broke. */

import { GetObjectCommand, type GetObjectCommandOutput } from '@aws-sdk/client-s3'
import type { GroveError } from '../../core/errors.ts'
import { checkReadBytes, noObject, objectsError, shortObject } from './object-errors.ts'
import type { ByteRange } from './objects.ts'
import type { Patience } from './patience.ts'
import { type BucketRequests, type Request, transferMs } from './s3-client.ts'
import { readFailure } from './s3-failure.ts'
import { fullKey } from './s3-options.ts'
import { createTries } from './tries.ts'

/** How far a read has come. */
interface Progress {
  readonly key: string
  readonly range: ByteRange | undefined
  /** Where the next byte lies. */
  at: number
  /** Where the last one ends; undefined as long as an object without a range was not answered for. */
  end: number | undefined
  /** The state of the object that the first answer told: all bytes have to be of the same. */
  etag: string | undefined
}

/** A part of an object, or all of it, as one piece. Throws like {@link Objects.read}. */
export async function readObject(bucket: BucketRequests, key: string, range: ByteRange | undefined): Promise<Buffer> {
  if (range?.length === 0) return Buffer.alloc(0)
  if (range) checkReadBytes(bucket.place, key, range.length)
  return bucket.inTurn(async () => {
    const pieces: Buffer[] = []
    const checkEnd = (end: number) => checkReadBytes(bucket.place, key, end - (range?.offset ?? 0))
    for await (const piece of readPieces(bucket, start(key, range), { checkEnd, inTurn: (work) => work() }))
      pieces.push(piece)
    return Buffer.concat(pieces)
  })
}

/** The same piece by piece. It has a turn until an answer begins, and not while its reader takes the bytes. */
export async function* streamObject(
  bucket: BucketRequests,
  key: string,
  range: ByteRange | undefined,
): AsyncGenerator<Buffer> {
  if (range?.length === 0) return
  yield* readPieces(bucket, start(key, range), { checkEnd: () => {}, inTurn: bucket.inTurn })
}

interface Reading {
  /** Sees where the object ends before a byte of it is taken; throws to take none. */
  checkEnd(end: number): void
  inTurn<Answer>(work: () => Promise<Answer>): Promise<Answer>
}

function start(key: string, range: ByteRange | undefined): Progress {
  const at = range?.offset ?? 0
  return { key, range, at, end: range && at + range.length, etag: undefined }
}

async function* readPieces(bucket: BucketRequests, progress: Progress, reading: Reading): AsyncGenerator<Buffer> {
  const tries = createTries(bucket.env, bucket.bounds)
  for (;;) {
    const request: Request = { kind: 'GET', key: progress.key }
    try {
      const opened = await reading.inTurn(() => bucket.tryOnce(request, openPart(bucket, progress, reading)))
      for await (const piece of takeBody(bucket, opened, progress)) {
        tries.came(piece.length)
        yield piece
      }
      return
    } catch (thrown) {
      await bucket.retry(request, tries, thrown)
    }
  }
}

/** Asks for what is left and checks that this is what is answered. */
function openPart(bucket: BucketRequests, progress: Progress, { checkEnd }: Reading) {
  return async (client: Parameters<Parameters<BucketRequests['tryOnce']>[1]>[0], patience: Patience) => {
    const { key, at, end, range, etag } = progress
    const isPart = range !== undefined || at > 0
    const command = new GetObjectCommand({
      Bucket: bucket.options.bucket,
      Key: fullKey(bucket.options, key),
      ...(isPart && { Range: `bytes=${at}-${end === undefined ? '' : end - 1}` }),
    })
    patience.expect(bucket.bounds.answerMs)
    const output = await client.send(command, { abortSignal: patience.signal }).catch((error) => {
      throw explain(bucket, progress, error)
    })
    patience.rest()
    const found = placeInObject(output, at, isPart)
    if (found === undefined || found.offset !== at) throw unfit(bucket, key, 'answers with another part of it')
    if (etag !== undefined && output.ETag !== etag) throw changed(bucket, key)
    if (end !== undefined && found.end < end)
      throw shortObject(bucket.place, key, range ?? { offset: 0, length: end }, found.total)
    if (end !== undefined && found.end > end) throw unfit(bucket, key, 'answers with more of it than was asked for')
    checkEnd(found.end)
    patience.extend(transferMs(bucket.bounds, found.end - at))
    progress.end = found.end
    progress.etag = output.ETag
    return output
  }
}

/** Where the answer's body lies in the object; undefined when the answer does not tell. */
function placeInObject(
  { ContentRange = '', ContentLength, $metadata }: GetObjectCommandOutput,
  at: number,
  isPart: boolean,
): { readonly offset: number; readonly end: number; readonly total: number } | undefined {
  if (ContentLength === undefined) return undefined
  if (!isPart) return { offset: at, end: ContentLength, total: ContentLength }
  // RFC 9110 section 14.4
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(ContentRange) ?? []
  if ($metadata.httpStatusCode !== 206 || first === undefined) return undefined
  const part = { offset: Number(first), end: Number(last) + 1, total: Number(total) }
  return part.end - part.offset === ContentLength ? part : undefined
}

/** The bytes of an answer. Rejects when the connection breaks, so that the rest can be asked for. */
async function* takeBody(
  bucket: BucketRequests,
  { answer, patience }: { readonly answer: GetObjectCommandOutput; readonly patience: Patience },
  progress: Progress,
): AsyncGenerator<Buffer> {
  let isWhole = false
  try {
    patience.expect(bucket.bounds.idleMs)
    for await (const piece of answer.Body as AsyncIterable<Buffer>) {
      patience.rest()
      progress.at += piece.length
      yield piece
      patience.expect(bucket.bounds.idleMs)
    }
    if (progress.at !== progress.end) throw Object.assign(new Error('half a body'), { code: 'ECONNRESET' })
    isWhole = true
  } catch (thrown) {
    throw patience.failure ?? thrown
  } finally {
    // A reader that has enough leaves a connection on which more would come: it is of no more use.
    patience.end(isWhole ? undefined : 'abort')
  }
}

function explain(bucket: BucketRequests, { key, range, at, end }: Progress, error: unknown): unknown {
  const { status, code } = readFailure(error)
  if (status === 404 && code === 'NoSuchKey') return noObject(bucket.place, key)
  if (status === 416)
    return shortObject(bucket.place, key, range ?? { offset: at, length: (end ?? at) - at }, undefined)
  return error
}

function changed(bucket: BucketRequests, key: string): GroveError {
  const message = `object ${key} in ${bucket.place} was changed while it was read`
  return objectsError(message, { reason: 'changed', details: { key } })
}

function unfit(bucket: BucketRequests, key: string, why: string): GroveError {
  const { place, options } = bucket
  return objectsError(`${options.endpoint} was asked for object ${key} in ${place} and ${why}`, {
    reason: 'refused',
    hint: 'something between this machine and the bucket, or the server itself, does not do what S3 does',
    details: { key },
  })
}
