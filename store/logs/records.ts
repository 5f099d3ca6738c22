/**
 * What a driver keeps: the records of one store, behind calls that do not wait. All rules (rights, conflicts, order)
 * are in the folder above and hold for every driver; a driver stores, finds and makes transactions whole.
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
}

/** An entry's row; its log and `seq` name it. */
export interface EntryRecord {
  readonly seq: number
  readonly data: Uint8Array
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
  /** The moment of its revocation. */
  readonly revokedSeq: number | undefined
}

/** The records of one store. */
export interface Records {
  readonly storeId: string
  /** 32 random bytes, made with the store: what tags of handles are computed with. */
  readonly handleKey: Uint8Array

  /**
   * Runs changes as one transaction: durable when this returns, undone as a whole when `run` throws. Throws
   * `ERR_DATA_IO` when the disk does not take it; then nothing was written, or the records refuse all further calls.
   */
  transact<T>(run: () => T): T
  /** Runs reads at one moment. */
  read<T>(run: () => T): T
  /** Frees the file. No call may follow. */
  close(): void

  /** The newest moment. */
  lastSeq(): number
  /** A new moment, greater than all before. Only in a transaction. */
  takeSeq(): number

  log(path: string): LogRecord | undefined
  addLog(path: string, serialized: boolean): void
  /** Paths that the prefix covers, sorted by code unit. */
  logPaths(prefix: string): readonly string[]

  /** The newest entry's moment, or 0. */
  head(logId: number): number
  /**
   * The next entries with `afterSeq < seq <= uptoSeq`, in order: at most `limits.store.pageEntries`, and none after
   * the one that reaches `limits.store.pageBytes`. Empty only when there are none. The data is the caller's.
   */
  page(logId: number, afterSeq: number, uptoSeq: number): readonly EntryRecord[]
  /** The moment of an operation in a log. */
  seqOfOp(logId: number, opId: string): number | undefined
  /** Only in a transaction. */
  addEntry(logId: number, entry: EntryRecord): void

  grant(id: GrantId): GrantRecord | undefined
  /** Only in a transaction. */
  addGrant(record: GrantRecord): void
  /** Sets the moment once; a grant that has one keeps it. Only in a transaction. */
  revokeGrant(id: GrantId, seq: number): void
}
