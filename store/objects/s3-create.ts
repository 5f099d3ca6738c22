/** Writing objects to a bucket: create-only and in place of another. */

import { Readable } from 'node:stream'
import { PutObjectCommand, type PutObjectCommandInput, type S3Client } from '@aws-sdk/client-s3'
import { GroveError } from '../../core/errors.ts'
import type { BlobHash } from '../../core/names.ts'
import { takenObject } from './object-errors.ts'
import { factsOf, hasHash, piecesOf, type SourceFacts } from './object-source.ts'
import type { ObjectSource } from './objects.ts'
import type { Patience } from './patience.ts'
import type { BucketRequests } from './s3-client.ts'
import { readFailure } from './s3-failure.ts'
import { readSums } from './s3-look.ts'
import { fullKey } from './s3-options.ts'
import { streamObject } from './s3-read.ts'

/** How often a key may be taken at the put and free at the look after it. */
const rounds = 3

/** Creates an object; see {@link Objects.create}. */
export async function createObject(
  bucket: BucketRequests,
  key: string,
  source: ObjectSource,
): Promise<'created' | 'exists'> {
  const facts = factsOf(source)
  checkBytes(bucket, key, facts.length)
  for (let round = 1; ; round += 1) {
    if ((await putNew(bucket, key, source, facts)) === 'created') return 'created'
    // Taken, perhaps by a try of ours whose answer was lost: only the bytes can tell.
    const isSame = await compare(bucket, key, facts)
    if (isSame) return 'exists'
    if (isSame === false || round === rounds) throw takenObject(bucket.place, key)
  }
}

/** Puts an object in place of another; see {@link Objects.replace}. */
export async function replaceObject(bucket: BucketRequests, key: string, bytes: Uint8Array): Promise<void> {
  const source = { bytes }
  const facts = factsOf(source)
  checkBytes(bucket, key, facts.length)
  await bucket.ask({ kind: 'PUT', key, bytes: facts.length }, (client, patience) =>
    send(bucket, { client, patience, source, facts, input: { Key: fullKey(bucket.options, key) } }),
  )
}

/** SHA-256 as S3 writes checksums: base64. */
export function checksumOf(sha256: BlobHash): string {
  return Buffer.from(sha256, 'hex').toString('base64')
}

async function putNew(
  bucket: BucketRequests,
  key: string,
  source: ObjectSource,
  facts: SourceFacts,
): Promise<'created' | 'taken'> {
  const input = { Key: fullKey(bucket.options, key), IfNoneMatch: '*', ChecksumSHA256: checksumOf(facts.sha256) }
  return bucket.ask({ kind: 'PUT', key, bytes: facts.length }, async (client, patience) => {
    try {
      await send(bucket, { client, patience, source, facts, input })
      return 'created'
    } catch (error) {
      if (readFailure(error).status === 412) return 'taken'
      throw error
    }
  })
}

interface Put {
  readonly client: S3Client
  readonly patience: Patience
  readonly source: ObjectSource
  readonly facts: SourceFacts
  readonly input: Omit<PutObjectCommandInput, 'Bucket' | 'Body' | 'ContentLength'>
}

async function send(bucket: BucketRequests, { client, patience, source, facts, input }: Put): Promise<void> {
  const { idleMs, answerMs } = bucket.bounds
  const pieces = piecesOf(bucket.env, source)
  async function* watched(): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      yield piece
      patience.expect(idleMs)
    }
    patience.expect(answerMs)
  }
  const body = Readable.from(watched(), { objectMode: false })
  // A source that fails would leave the server waiting for the rest.
  body.on('error', (error) => patience.giveUp(error))
  const command = new PutObjectCommand({
    ...input,
    Bucket: bucket.options.bucket,
    Body: body,
    ContentLength: facts.length,
  })
  // The hash is part of the signature and every server holds the body against it, also those without checksums.
  command.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> }
      headers['x-amz-content-sha256'] = facts.sha256
      return next(args)
    },
    { step: 'build', name: 'signedContent' },
  )
  patience.expect(answerMs)
  try {
    await client.send(command, { abortSignal: patience.signal })
  } finally {
    // An answer that came before the end of the body: the connection is of no more use.
    if (!body.readableEnded) patience.end('abort')
    body.destroy()
  }
}

/** Whether the object has the bytes; undefined when there is none by now. */
async function compare(bucket: BucketRequests, key: string, facts: SourceFacts): Promise<boolean | undefined> {
  const found = await readSums(bucket, key)
  if (found === undefined) return undefined
  if (found.bytes !== facts.length) return false
  if (found.sha256 !== undefined) return found.sha256 === checksumOf(facts.sha256)
  try {
    return await hasHash(streamObject(bucket, key, undefined), facts.sha256)
  } catch (error) {
    if (error instanceof GroveError && error.code === 'ERR_NOT_FOUND') return undefined
    throw error
  }
}

function checkBytes(bucket: BucketRequests, key: string, bytes: number): void {
  if (bytes <= bucket.bounds.objectBytes) return
  const message = `object ${key}: ${bytes} bytes are too many for one request, ${bucket.bounds.objectBytes} are the most`
  throw new GroveError('ERR_TOO_LARGE', message)
}
