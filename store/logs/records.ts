/**
 * What a driver keeps: the records of one store, behind calls that do not wait. All rules (rights, conflicts, order)
 * are in the engine and hold for every driver; a driver stores, finds and makes transactions whole.
 *
 * Moments are plain numbers here (`seq`), 1 and up; 0 stands for "before everything".
 */

import type { GrantId } from '../store.ts'

/** A log's row. */
export interface LogRecord {
  /** The driver's own key. */
  readonly id: number
  readonly path: string
  readonly serialized: boolean
  /** The newest moment that was trimmed, 0 for none; and the entry that stands for what is gone. */
  readonly trimmedSeq: number
  readonly coverSeq: number
}

/** An entry's row; its log and `seq` name it. */
export interface EntryRecord {
  readonly seq: number
  readonly lo: number
  readonly hi: number
  readonly atMs: number
  readonly data: Uint8Array
  /** Moments of this store that it named. */
  readonly after: readonly number[]
  readonly writer: GrantId
  readonly opId: string | undefined
}

/** A grant's row. It holds no secret: the handle's tag is computed from the store's key. */
export interface GrantRecord {
  readonly id: GrantId
  /** Undefined for the root only. */
  readonly parent: GrantId | undefined
  readonly path: string
  readonly untilMs: number
  readonly read: boolean
  readonly write: boolean
  readonly grant: boolean
  readonly label: string
  readonly madeAtMs: number
  readonly maxBytes: number | undefined
  readonly maxWrites: number | undefined
  readonly usedBytes: number
  readonly usedWrites: number
  /** The moment of its revocation. */
  readonly revokedSeq: number | undefined
}

/** A key that tags of handles are computed with. */
export interface KeyRecord {
  /** 1 to 8 of `0-9a-z`, never used again. */
  readonly kid: string
  /** 32 random bytes. */
  readonly key: Uint8Array
  readonly madeAtMs: number
}

/** The records of one store. */
export interface Records {
  readonly storeId: string

  /**
   * Runs changes as one transaction: durable when this returns, undone as a whole when `run` throws. Throws
   * `ERR_DATA_IO` when the disk does not take it; then nothing was written, or the records refuse all further calls.
   * Throws `ERR_FENCED` when another process has taken the store over.
   */
  transact<T>(run: () => T): T
  /** Runs reads at one moment. */
  read<T>(run: () => T): T
  /** Frees the file. No call may follow. */
  close(): void
  /** Writes a whole, consistent copy of the store into a new file, durable. */
  copyTo(file: string): void

  /** Counts how often the store was opened for writing: the newest one is in charge. Only in a transaction. */
  takeEpoch(): number
  epoch(): number

  /** The newest moment. */
  lastSeq(): number
  /** A new moment, greater than all before. Only in a transaction. */
  takeSeq(): number

  /** Keys of handles, oldest first; at least one. */
  keys(): readonly KeyRecord[]
  /** Only in a transaction. */
  addKey(record: KeyRecord): void
  /** Only in a transaction. */
  removeKey(kid: string): void

  log(path: string): LogRecord | undefined
  /** Only in a transaction. */
  addLog(path: string, serialized: boolean): void
  /** Paths that the prefix covers, sorted by code unit. */
  logPaths(prefix: string): readonly string[]

  /** The newest entry's moment, or 0. */
  head(logId: number): number
  /** The oldest kept entry's moment (0 for none), their number and the bytes of their data. */
  extent(logId: number): { readonly oldest: number; readonly entries: number; readonly bytes: number }
  /** One entry, or undefined. */
  entry(logId: number, seq: number): EntryRecord | undefined
  /**
   * The next entries with `afterSeq < seq <= uptoSeq`, in order: at most `limits.store.pageEntries`, and none after
   * the one that reaches `limits.store.pageBytes`. Empty only when there are none. The data is the caller's.
   */
  page(logId: number, afterSeq: number, uptoSeq: number): readonly EntryRecord[]
  /** The moment of an operation in a log; also of one whose entry was trimmed, for `limits.store.opKeptMs` after it. */
  seqOfOp(logId: number, opId: string): number | undefined
  /** Only in a transaction. */
  addEntry(logId: number, entry: EntryRecord): void
  /** Forgets entries with `from <= seq < to` and notes what stands for them. Only in a transaction. */
  trim(logId: number, from: number, to: number, coverSeq: number): void

  grant(id: GrantId): GrantRecord | undefined
  /** Grants whose path the prefix covers, newest first, at most `most`. */
  grants(prefix: string, most: number): readonly GrantRecord[]
  /** Grants made by a grant, the oldest first, at most `most`. @default all */
  children(id: GrantId, most?: number): readonly GrantId[]
  /** Only in a transaction. */
  addGrant(record: GrantRecord): void
  /** Adds to what was used. Only in a transaction. */
  useGrant(id: GrantId, bytes: number, writes: number): void
  /** Sets the moment once; a grant that has one keeps it. Only in a transaction. */
  revokeGrant(id: GrantId, seq: number): void
}
