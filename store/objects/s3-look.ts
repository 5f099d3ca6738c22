/** Looking at objects of a bucket without reading them: one by its key, many by what their keys begin with. */

import { HeadObjectCommand, type HeadObjectCommandOutput, ListObjectsV2Command } from '@aws-sdk/client-s3'
import type { GroveError } from '../../core/errors.ts'
import { isObjectKey } from './keys.ts'
import { objectsError } from './object-errors.ts'
import type { ObjectInfo } from './objects.ts'
import type { BucketRequests } from './s3-client.ts'
import { readFailure } from './s3-failure.ts'
import { fullKey } from './s3-options.ts'

/** See {@link Objects.stat}. A bucket that is not there cannot be told from an object that is not: HEAD has no body. */
export async function statObject(bucket: BucketRequests, key: string): Promise<ObjectInfo | undefined> {
  const found = await look(bucket, key, false)
  return found && { key, bytes: found.bytes, modifiedMs: found.modifiedMs }
}

/** Length and SHA-256 (base64) of an object, the latter where the server kept it; undefined when there is no object. */
export async function readSums(
  bucket: BucketRequests,
  key: string,
): Promise<{ readonly bytes: number; readonly sha256: string | undefined } | undefined> {
  return look(bucket, key, true)
}

async function look(bucket: BucketRequests, key: string, withSums: boolean) {
  const command = new HeadObjectCommand({
    Bucket: bucket.options.bucket,
    Key: fullKey(bucket.options, key),
    ...(withSums && { ChecksumMode: 'ENABLED' }),
  })
  const found = await bucket.ask({ kind: 'HEAD', key }, async (client, patience) => {
    patience.expect(bucket.bounds.answerMs)
    return client.send(command, { abortSignal: patience.signal }).catch((error): undefined => {
      if (readFailure(error).status !== 404) throw error
    })
  })
  return found && factsOfHead(bucket, key, found)
}

function factsOfHead(bucket: BucketRequests, key: string, head: HeadObjectCommandOutput) {
  const { ContentLength: bytes, LastModified: modified, ChecksumSHA256: sum } = head
  if (bytes === undefined || modified === undefined) throw incomplete(bucket, key)
  // A checksum of parts has a dash and tells nothing of the whole.
  const sha256 = sum?.includes('-') ? undefined : sum
  return { bytes, modifiedMs: modified.getTime(), sha256 }
}

/** See {@link Objects.list}. */
export async function* listObjects(bucket: BucketRequests, prefix: string): AsyncGenerator<ObjectInfo> {
  const above = fullKey(bucket.options, '')
  let last = ''
  let token: string | undefined
  do {
    const command = new ListObjectsV2Command({
      Bucket: bucket.options.bucket,
      Prefix: above + prefix,
      MaxKeys: bucket.bounds.listed,
      ContinuationToken: token,
    })
    const page = await bucket.ask({ kind: 'LIST', key: prefix }, (client, patience) => {
      patience.expect(bucket.bounds.answerMs)
      return client.send(command, { abortSignal: patience.signal })
    })
    for (const { Key: full, Size: bytes, LastModified: modified } of page.Contents ?? []) {
      // Keys that do not go on could go on for ever.
      if (full === undefined || full <= last) throw incomplete(bucket, prefix)
      last = full
      const key = full.slice(above.length)
      if (!full.startsWith(above + prefix) || !isObjectKey(key)) continue
      if (bytes === undefined || modified === undefined) throw incomplete(bucket, key)
      yield { key, bytes, modifiedMs: modified.getTime() }
    }
    token = page.IsTruncated ? page.NextContinuationToken : undefined
    if (page.IsTruncated && (token === undefined || !page.Contents?.length)) throw incomplete(bucket, prefix)
  } while (token !== undefined)
}

function incomplete(bucket: BucketRequests, key: string): GroveError {
  return objectsError(
    `${bucket.options.endpoint} answers about ${key || 'objects'} in ${bucket.place} not as S3 does`,
    {
      reason: 'refused',
      hint: 'look whether the endpoint in the config is that of an S3 server',
      details: { key },
    },
  )
}
