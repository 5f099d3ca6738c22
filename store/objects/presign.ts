/**
 * Pre-signed uploads: the right to create one object, given away as a URL (AWS Signature Version 4 in the query,
 * docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html).
 *
 * Signed are the key, the exact length, the SHA-256 of the content in both of its headers, and `If-None-Match: *`. So
 * whoever has the URL can put that one content there, once, until it ends; not another content, not over an object that
 * is there. Servers differ in which of this they hold an upload against, and the URL cannot be taken back: whoever
 * commits what was sent has to check it, and the right to, anew.
 *
 * Own code and not the client's presigner, because that one signs `UNSIGNED-PAYLOAD` in place of the hash.
 */

import { createHash, createHmac } from 'node:crypto'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import type { Environment } from '../environment.ts'
import type { PresignedUpload } from './objects.ts'
import { checksumOf } from './s3-create.ts'
import { fullKey, type S3Options } from './s3-options.ts'

/** The one object that may be created. */
export interface Upload {
  readonly key: string
  readonly hash: BlobHash
  readonly bytes: number
}

/** The URL and the headers for an upload, good for `limits.objects.presignMs`. */
export function presignPut(options: S3Options, env: Environment, { key, hash, bytes }: Upload): PresignedUpload {
  const { region = 'us-east-1', accessKeyId, secretAccessKey } = options
  const nowMs = env.now()
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d{3}/g, '')
  const day = time.slice(0, 8)
  const scope = `${day}/${region}/s3/aws4_request`
  const url = objectUrl(options, fullKey(options, key))
  const headers = {
    'content-length': String(bytes),
    'if-none-match': '*',
    'x-amz-checksum-sha256': checksumOf(hash),
    'x-amz-content-sha256': hash,
  }
  const signed = { ...headers, host: url.host }
  const names = Object.keys(signed).sort()
  const query = [
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', `${accessKeyId}/${scope}`],
    ['X-Amz-Date', time],
    ['X-Amz-Expires', String(limits.objects.presignMs / 1_000)],
    ['X-Amz-SignedHeaders', names.join(';')],
  ]
    .map(([name = '', value = '']) => `${name}=${encodeURIComponent(value)}`)
    .join('&')
  const lines = names.map((name) => `${name}:${signed[name as keyof typeof signed]}\n`).join('')
  const request = ['PUT', url.pathname, query, lines, names.join(';'), hash].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(request).digest('hex')].join('\n')
  const key4 = [day, region, 's3', 'aws4_request'].reduce<Buffer | string>(hmac, `AWS4${secretAccessKey}`)
  return {
    url: `${url.href}?${query}&X-Amz-Signature=${hmac(key4, toSign).toString('hex')}`,
    headers,
    untilMs: nowMs + limits.objects.presignMs,
  }
}

/** Keys and names of buckets hold nothing that a URL would write in another way. */
function objectUrl({ endpoint, bucket, pathStyle = true }: S3Options, key: string): URL {
  const url = new URL(endpoint)
  if (!pathStyle) url.hostname = `${bucket}.${url.hostname}`
  url.pathname = pathStyle ? `/${bucket}/${key}` : `/${key}`
  return url
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
