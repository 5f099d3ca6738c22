/** The parts of the config that say where versions are kept, how long, and under which keys. */

import { resolve } from 'node:path'
import { z } from 'zod'
import type { ConfigFault } from './config-faults.ts'
import { matching, secret, secretSource, withAbsoluteFile } from './config-values.ts'
import { limits } from './limits.ts'
import { type SecretSource, whereOf } from './secrets.ts'

const fileName = z.string().min(1).max(4_096)

const endpoint = z.string().refine((text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return (
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    `${url.pathname}${url.search}${url.hash}${url.username}${url.password}` === '/'
  )
}, 'an https:// or http:// URL of a server, without a path, such as https://s3.eu-central-1.amazonaws.com')

const localSchema = z.strictObject({
  kind: z
    .literal('local')
    .describe('`local()`: the data folder. `s3({ … })`: a bucket, with the data folder as a cache.'),
})

const s3Schema = z.strictObject({
  kind: z.literal('s3').describe('`local()`: the data folder. `s3({ … })`: a bucket, with the data folder as a cache.'),
  endpoint: endpoint.describe('URL of the S3 server. Needed with `s3`.'),
  bucket: matching(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "a bucket's name: 3 to 63 of a-z, 0-9, . and -").describe(
    'The bucket. Needed with `s3`; it has to be there, Grove makes none.',
  ),
  region: matching(/^[a-z0-9-]{1,64}$/, 'a name of a region')
    .default('us-east-1')
    .describe('Region, as requests are signed with it. For Cloudflare R2 `auto`.'),
  prefix: matching(
    /^(?:[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)*)?$/,
    'segments of a-z, 0-9, ., _ and - between slashes',
  )
    .max(limits.objects.prefixBytes)
    .default('')
    .describe('What all keys in the bucket begin with. Two hosts that share a bucket need two.'),
  pathStyle: z
    .boolean()
    .default(true)
    .describe('The bucket stands in the path of URLs; false: in the host name, as Amazon S3 wants it for new buckets.'),
  accessKeyId: secret
    .optional()
    .describe('Access key. Default: environment variable GROVE_S3_ACCESS_KEY_ID, then AWS_ACCESS_KEY_ID.'),
  secretAccessKey: secret
    .optional()
    .describe('Its secret. Default: environment variable GROVE_S3_SECRET_ACCESS_KEY, then AWS_SECRET_ACCESS_KEY.'),
  roots: fileName
    .optional()
    .describe('PEM file with certificates of issuers to trust beside the usual ones, for a server with a private CA.'),
})

/** The key `store` of the config. */
export const storeSchema = z
  .discriminatedUnion('kind', [localSchema, s3Schema], {
    error: ({ code }) => (code === 'invalid_union' ? '"local" or "s3", as local() and s3({ … }) make it' : undefined),
  })
  .prefault({ kind: 'local' })
  .describe('Where segments of versions are kept: `local()` or `s3({ … })`. See docs/store.md.')

/** The key `cache` of the config. */
export const cacheSchema = z
  .strictObject({
    bytes: z
      .int()
      .min(67_108_864)
      .max(Number.MAX_SAFE_INTEGER)
      .default(10_737_418_240)
      .describe(
        'Most bytes of contents on the local disk; those that were read longest ago go first. Default: 10 GiB.',
      ),
  })
  .prefault({})
  .describe('Contents on the local disk, as they are served: a cache of what the store holds.')

/** The key `encryption` of the config. */
export const encryptionSchema = z
  .strictObject({
    keys: z
      .array(secretSource)
      .max(limits.segment.keys)
      .default([])
      .describe(
        'Keys of 32 bytes in hex or base64, each `{ file }` or `{ env }`. The first seals what is written, all open. None: nothing is sealed.',
      ),
  })
  .prefault({})
  .describe('Encryption at rest. See docs/at-rest.md.')

/** The key `keep` of the config. */
export const keepSchema = z
  .strictObject({
    versions: z
      .int()
      .min(1)
      .max(limits.store.versionsKept)
      .default(10)
      .describe('Newest versions of a site that are kept, however old.'),
    days: z.int().min(0).max(36_500).default(30).describe('Versions younger than this are kept, in days.'),
  })
  .prefault({})
  .describe('Versions that a site can go back to, beside the live one, tags and pins.')

/** Where versions are kept, checked. */
export type StoreConfig = z.output<typeof storeSchema>

/** Keys of encryption, checked. */
export type EncryptionConfig = z.output<typeof encryptionSchema>

/** What an operator writes about a bucket. */
export type S3StoreInput = Omit<z.input<typeof s3Schema>, 'kind'>

/** A bucket as store: `store: s3({ endpoint, bucket })`. Checks nothing: that happens when Grove reads the config. */
export function s3(options: S3StoreInput): { readonly kind: 's3' } & S3StoreInput {
  return { ...options, kind: 's3' }
}

/** The data folder as store, which is the default. */
export function local(): { readonly kind: 'local' } {
  return { kind: 'local' }
}

/** The parts with absolute paths in place of those that count from a folder. */
export function withAbsoluteFiles<Parts extends { readonly store: StoreConfig; readonly encryption: EncryptionConfig }>(
  parts: Parts,
  folder: string,
): Parts {
  const absolute = <Source extends string | SecretSource>(source: Source) => withAbsoluteFile(source, folder)
  const encryption = { ...parts.encryption, keys: parts.encryption.keys.map(absolute) }
  const { store } = parts
  if (store.kind === 'local') return { ...parts, encryption }
  const files = {
    ...(store.accessKeyId !== undefined && { accessKeyId: absolute(store.accessKeyId) }),
    ...(store.secretAccessKey !== undefined && { secretAccessKey: absolute(store.secretAccessKey) }),
    ...(store.roots !== undefined && { roots: resolve(folder, store.roots) }),
  }
  return { ...parts, encryption, store: { ...store, ...files } }
}

/** Keys of encryption that are named twice: the second one opens nothing that the first does not. */
export function keyFaults(keys: readonly SecretSource[]): ConfigFault[] {
  const seen = new Set<string>()
  return keys.flatMap((source, index) => {
    const where = whereOf(source)
    if (!seen.has(where)) {
      seen.add(where)
      return []
    }
    return [{ path: `encryption.keys[${index}]`, expected: 'a key that is not named before', found: where }]
  })
}
