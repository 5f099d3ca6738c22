/**
 * Objects: what lies behind the local disk. Named bytes that are created once and never changed (segments, large
 * uploads), and a few that are replaced as a whole (roots). A folder on this machine or an S3-compatible bucket.
 *
 * Keys are made of fixed words, owners, site names, hashes and numbers; nothing that a visitor sends becomes one.
 */

import type { BlobHash } from '../../core/names.ts'

/** A part of an object, in bytes. */
export interface ByteRange {
  readonly offset: number
  readonly length: number
}

/** What is put: bytes in memory, or a file on the local disk. */
export type ObjectSource =
  | { readonly bytes: Uint8Array }
  | { readonly file: string; readonly length: number; readonly sha256: BlobHash }

/** An object in a list. */
export interface ObjectInfo {
  readonly key: string
  readonly bytes: number
  /** Last change, in milliseconds since the epoch, by the clock of whoever keeps the objects. */
  readonly modifiedMs: number
}

/** A right to send one object straight to the bucket. */
export interface PresignedUpload {
  readonly url: string
  /** To be sent exactly so. */
  readonly headers: Readonly<Record<string, string>>
  readonly untilMs: number
}

/**
 * Where objects lie. Each call retries what is worth retrying (503, 429, 409 of S3, a broken connection) with growing
 * waits, and then rejects with `ERR_OBJECTS`, which names the bucket or folder, the key and what was answered. The
 * content of what is read is not checked here: whoever reads knows the hash.
 */
export interface Objects extends AsyncDisposable {
  /** For people: `s3://bucket/prefix` or the folder. */
  readonly name: string
  /** Whether it is another machine's: then the local disk is a cache. */
  readonly isRemote: boolean
  /**
   * Creates an object, durable when this resolves. Answers `exists` when the key is taken: by equal bytes, as far as
   * the key is a hash, also by our own first try whose answer was lost.
   */
  create(key: string, source: ObjectSource): Promise<'created' | 'exists'>
  /** Puts an object in place of the one that the key may have, in one step. */
  replace(key: string, bytes: Uint8Array): Promise<void>
  /** An object or a part of it, whole in memory. Throws `ERR_NOT_FOUND`; `ERR_OBJECTS` when it is shorter than asked for. */
  read(key: string, range?: ByteRange): Promise<Buffer>
  /** An object piece by piece; a broken connection is taken up where it broke. Throws like {@link Objects.read}. */
  stream(key: string, range?: ByteRange): AsyncIterable<Buffer>
  /** Undefined when there is none. */
  stat(key: string): Promise<ObjectInfo | undefined>
  /** Removes objects; those that are not there count as removed. */
  remove(keys: readonly string[]): Promise<void>
  /** Objects whose key begins with a prefix, sorted by key. */
  list(prefix: string): AsyncIterable<ObjectInfo>
  /** Lets a client create one object of exactly this length and hash itself. Undefined where that is not possible. */
  presign: ((key: string, upload: { readonly hash: BlobHash; readonly bytes: number }) => Promise<PresignedUpload>) | undefined
  /** Requests that were sent, keyed by kind (`PUT`, `GET`, `HEAD`, `LIST`, `DELETE`). */
  readonly requests: Readonly<Record<string, number>>
}
