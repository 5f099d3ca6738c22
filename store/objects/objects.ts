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
export type ObjectSource = { readonly bytes: Uint8Array } | FileSource

/** A file that becomes an object. Nobody may write to it until it is one. */
export interface FileSource {
  readonly file: string
  readonly length: number
  readonly sha256: BlobHash
  /**
   * Its bytes are on the disk already, they have that hash, and nobody will ever write to the file again. Then a folder
   * on the same file system gives it a second name instead of a copy.
   */
  readonly isDurable?: boolean
}

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

/** Why something is `ERR_OBJECTS`, its `details.reason`. */
export type ObjectsReason =
  /** The key has other bytes already. */
  | 'taken'
  /** An object, or the asked part of it, is shorter than was asked for, or was changed while it was read. */
  | 'short'
  | 'changed'
  /** Credentials, rights or the bucket's name are wrong; or something answers that is not S3. */
  | 'denied'
  | 'bucket'
  | 'refused'
  /** No answer, or only answers to come again later, until the tries were used up. */
  | 'unreachable'
  | 'busy'
  /** A certificate that is not trusted. */
  | 'tls'
  /** The bucket lets two writers create one key. */
  | 'unconditional'

/**
 * Where objects lie. Each call tries again what is worth it (503, 429, 409 of S3, a broken connection) with growing
 * waits, and then rejects with `ERR_OBJECTS`, which names the bucket, the key and what was answered, and whose details
 * tell an {@link ObjectsReason}. A folder rejects with `ERR_DATA_IO` when the disk fails. The content of what is read is
 * not checked here: whoever reads knows the hash. A key that is none, or too long, is `ERR_BAD_REQUEST`.
 */
export interface Objects extends AsyncDisposable {
  /** For people: `s3://bucket/prefix` or the folder. */
  readonly name: string
  /** Whether it is another machine's: then the local disk is a cache. */
  readonly isRemote: boolean
  /**
   * Creates an object, durable when this resolves. Answers `exists` when the key has these bytes already, also when our
   * own first try put them there and its answer was lost. Throws `ERR_OBJECTS` (`taken`) when it has others,
   * `ERR_BLOB_MISMATCH` when a file is not what was said of it.
   */
  create(key: string, source: ObjectSource): Promise<'created' | 'exists'>
  /** Puts an object in place of the one that the key may have, in one step. */
  replace(key: string, bytes: Uint8Array): Promise<void>
  /**
   * An object or a part of it, whole in memory: at most `limits.objects.readBytes`, else `ERR_TOO_LARGE`. A part of no
   * bytes is not asked for. Throws `ERR_NOT_FOUND`; `ERR_OBJECTS` (`short`) when it is shorter than asked for.
   */
  read(key: string, range?: ByteRange): Promise<Buffer>
  /** An object piece by piece; a broken connection is taken up where it broke. Throws like {@link Objects.read}. */
  stream(key: string, range?: ByteRange): AsyncIterable<Buffer>
  /** Undefined when there is none. */
  stat(key: string): Promise<ObjectInfo | undefined>
  /** Removes objects; those that are not there count as removed. It need not be durable: one may be back after a crash. */
  remove(keys: readonly string[]): Promise<void>
  /** Objects whose key begins with a prefix, sorted by key. What others put there under names that are no keys is left out. */
  list(prefix: string): AsyncIterable<ObjectInfo>
  /** Lets a client create one object of exactly this length and hash itself. Undefined where that is not possible. */
  presign:
    | ((key: string, upload: { readonly hash: BlobHash; readonly bytes: number }) => Promise<PresignedUpload>)
    | undefined
  /** Requests that were sent, each try counted, keyed by kind (`PUT`, `GET`, `HEAD`, `LIST`, `DELETE`). Of a folder none. */
  readonly requests: Readonly<Record<string, number>>
}
