/**
 * Objects in an S3-compatible bucket. What it needs of the server: `If-None-Match: *` on PUT (see probe.ts), ranged
 * GET, LIST of version 2, and that a PUT that was acknowledged can be read and is listed at once.
 */

import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { limits } from '../../core/limits.ts'
import { forEachParallel } from '../../core/parallel.ts'
import type { Environment } from '../environment.ts'
import { checkKey, checkPrefix } from './keys.ts'
import { checkRange } from './object-errors.ts'
import type { Objects } from './objects.ts'
import { presignPut } from './presign.ts'
import { type BucketRequests, createRequests } from './s3-client.ts'
import { createObject, replaceObject } from './s3-create.ts'
import { readFailure } from './s3-failure.ts'
import { listObjects, statObject } from './s3-look.ts'
import { fullKey, type ObjectsBounds, type S3Options } from './s3-options.ts'
import { readObject, streamObject } from './s3-read.ts'

/** Opens a bucket. Sends nothing: the first call tells whether it can be reached. `bounds`: for tests. */
export function s3Objects(options: S3Options, env: Environment, bounds: ObjectsBounds = limits.objects): Objects {
  const bucket = createRequests(options, env, bounds)
  return {
    name: bucket.place,
    isRemote: true,
    create: async (key, source) => createObject(bucket, checkKey(key), source),
    replace: async (key, bytes) => replaceObject(bucket, checkKey(key), bytes),
    read: async (key, range) => readObject(bucket, checkKey(key), range && checkRange(range)),
    stream: (key, range) => streamObject(bucket, checkKey(key), range && checkRange(range)),
    stat: async (key) => statObject(bucket, checkKey(key)),
    async remove(keys) {
      for (const key of keys) checkKey(key)
      await forEachParallel(keys, bounds.parallel, (key) => removeObject(bucket, key))
    },
    list: (prefix) => listObjects(bucket, checkPrefix(prefix)),
    presign: async (key, upload) => presignPut(options, env, { key: checkKey(key), ...upload }),
    requests: bucket.counts,
    async [Symbol.asyncDispose]() {
      bucket.close()
    },
  }
}

/** One by one: the request that removes many at once is not known everywhere, and costs the same. */
async function removeObject(bucket: BucketRequests, key: string): Promise<void> {
  const command = new DeleteObjectCommand({ Bucket: bucket.options.bucket, Key: fullKey(bucket.options, key) })
  await bucket.ask({ kind: 'DELETE', key }, async (client, patience) => {
    patience.expect(bucket.bounds.answerMs)
    await client.send(command, { abortSignal: patience.signal }).catch((error) => {
      if (readFailure(error).code !== 'NoSuchKey') throw error
    })
  })
}
