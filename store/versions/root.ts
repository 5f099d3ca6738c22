/**
 * Roots: the checkpoint of a site in a bucket, from which a machine with an empty disk starts. It decides nothing; the
 * log does, wherever there is one.
 *
 * Its bytes are the line `grove root 1 <SHA-256 of what follows>`, a line feed, and a zstd frame of a JSON text. With
 * encryption all of that is sealed for the key under which it lies. A plain root is as trustworthy as the bucket: its sum
 * finds damage, not malice.
 *
 * A root of a site that is not large has a catalog: every file of the live version, and where its content lies. So the
 * first page needs one more request, and the tree none.
 */

import { hash as digest } from 'node:crypto'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { z } from 'zod'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { blobHashSchema } from '../../core/names.ts'
import type { Environment } from '../environment.ts'
import type { Keyring } from '../segments/keyring.ts'
import { isSealed, openBytes, sealBytes } from '../segments/sealed-bytes.ts'
import { stateFields } from './entry.ts'

const count = z.int().nonnegative()

const catalogSchema = z.strictObject({
  /** The wrapped keys of the state's segments, in their order, in base64; null for a plain one. */
  seals: z.array(z.string().max(200).or(z.null())),
  /**
   * Of the live version: path, hash, bytes; and of a content in a segment the segment's place in the state's list, the
   * frame's ordinal, whether it is zstd (1) or raw (0), offset and length.
   */
  files: z.array(
    z.union([
      z.tuple([z.string(), blobHashSchema, count]),
      z.tuple([z.string(), blobHashSchema, count, count, count, z.literal([0, 1]), count, count]),
    ]),
  ),
})

const rootSchema = z.strictObject({
  format: z.literal(1),
  /** Whose root it is: one that was moved to another name is refused. */
  owner: z.string(),
  site: z.string(),
  /** The store that wrote it, and the newest entry of the site's log that is in it. */
  store: z.string(),
  head: z.string(),
  atMs: z.number(),
  ...stateFields,
  catalog: catalogSchema.optional(),
})

/** A root as it is told. */
export type Root = z.output<typeof rootSchema>

/** Where the files of the live version lie. */
export type Catalog = NonNullable<Root['catalog']>

/** What a root is packed and opened with. */
export interface RootPlace {
  readonly owner: string
  readonly site: string
  /** The object's key. */
  readonly key: string
}

/** The bytes of a root; undefined for one whose text is longer than `limits.store.rootTextBytes`: nobody would read it. */
export function encodeRoot(
  env: Environment,
  keyring: Keyring | undefined,
  { owner, key }: RootPlace,
  root: Root,
): Buffer | undefined {
  const text = Buffer.from(JSON.stringify(root))
  if (text.length > limits.store.rootTextBytes) return undefined
  const body = zstdCompressSync(text)
  const plain = Buffer.concat([Buffer.from(`grove root 1 ${digest('sha256', body)}\n`), body])
  return keyring ? sealBytes(keyring, env, { owner, name: key }, plain) : plain
}

/**
 * A root from its bytes. With a keyring it has to be sealed. Throws `ERR_DATA_FORMAT`, `ERR_BLOB_CORRUPT`,
 * `ERR_KEY_MISSING`.
 */
export function decodeRoot(keyring: Keyring | undefined, place: RootPlace, bytes: Uint8Array): Root {
  const { owner, site, key } = place
  const plain = keyring || isSealed(bytes) ? openBytes(keyring, { owner, name: key }, bytes) : Buffer.from(bytes)
  const end = plain.indexOf('\n')
  const [, sum] = /^grove root 1 ([0-9a-f]{64})$/.exec(plain.toString('latin1', 0, Math.min(end, 200))) ?? []
  if (sum === undefined) throw malformed(key, 'it does not begin like a root of format 1')
  const body = plain.subarray(end + 1)
  if (digest('sha256', body) !== sum) throw new GroveError('ERR_BLOB_CORRUPT', `root ${key} was changed`)
  try {
    const text = zstdDecompressSync(body, { maxOutputLength: limits.store.rootTextBytes }).toString('utf8')
    const root = rootSchema.parse(JSON.parse(text))
    if (root.owner === owner && root.site === site) return root
  } catch (error) {
    throw malformed(key, 'its text is not that of a root', error)
  }
  throw malformed(key, 'it is the root of another site')
}

function malformed(key: string, why: string, cause?: unknown): GroveError {
  return new GroveError('ERR_DATA_FORMAT', `root ${key} cannot be used: ${why}`, cause === undefined ? {} : { cause })
}
