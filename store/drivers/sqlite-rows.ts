/** Rows of the SQLite driver, read and checked: a row that is not as it was written is never passed on. */

import type { StatementSync } from 'node:sqlite'
import { GroveError } from '../../core/errors.ts'
import type { EntryRecord, GrantRecord, KeyRecord, LogRecord } from '../logs/records.ts'
import { sumOf } from './row-sum.ts'

/** A row as SQLite gives it. */
export type Row = ReturnType<StatementSync['get']>

/** The number in a column. Throws `ERR_DATA_FORMAT`. */
export function numberIn(row: Row, column: string): number {
  const value = row?.[column]
  if (typeof value === 'number') return value
  throw new GroveError('ERR_DATA_FORMAT', `column ${column} holds ${value === null ? 'nothing' : typeof value}`)
}

function textIn(row: Row, column: string): string {
  const value = row?.[column]
  if (typeof value === 'string') return value
  throw new GroveError('ERR_DATA_FORMAT', `column ${column} holds ${value === null ? 'nothing' : typeof value}`)
}

function bytesIn(row: Row, column: string): Uint8Array {
  const value = row?.[column]
  if (value instanceof Uint8Array) return value
  throw new GroveError('ERR_DATA_FORMAT', `column ${column} holds no bytes`)
}

function optional<T>(row: Row, column: string, read: (row: Row, column: string) => T): T | undefined {
  return row?.[column] === null ? undefined : read(row, column)
}

/** What the one row of the store says. Throws `ERR_DATA_FORMAT`. */
export function storeOf(row: Row): { readonly storeId: string; readonly lastSeq: number; readonly epoch: number } {
  const [storeId, lastSeq, epoch] = [textIn(row, 'id'), numberIn(row, 'last_seq'), numberIn(row, 'epoch')]
  requireSum(row, sumOf([storeId, lastSeq, epoch]), 'the store')
  return { storeId, lastSeq, epoch }
}

/** A key's row. Throws `ERR_DATA_FORMAT`. */
export function keyOf(row: Row): KeyRecord {
  const key = bytesIn(row, 'key')
  if (key.length < 32) throw new GroveError('ERR_DATA_FORMAT', `a key of ${key.length} bytes`)
  return { kid: textIn(row, 'kid'), key, madeAtMs: numberIn(row, 'made_at_ms') }
}

/** A log's row. Throws `ERR_DATA_FORMAT`. */
export function logOf(row: Row, path: string): LogRecord {
  const log: Omit<LogRecord, 'id'> = {
    path,
    serialized: numberIn(row, 'serialized') === 1,
    trimmedSeq: numberIn(row, 'trimmed_seq'),
    coverSeq: numberIn(row, 'cover_seq'),
  }
  requireSum(row, sumOfLog(log), `log ${path}`)
  return { id: numberIn(row, 'id'), ...log }
}

/** The checksum of a log's row. */
export function sumOfLog({ path, serialized, trimmedSeq, coverSeq }: Omit<LogRecord, 'id'>): number {
  return sumOf([path, serialized, trimmedSeq, coverSeq])
}

/** An entry's row. Throws `ERR_DATA_FORMAT`. */
export function entryOfRow(row: Row, logId: number): EntryRecord {
  const after = optional(row, 'after', textIn)
  const entry: EntryRecord = {
    seq: numberIn(row, 'seq'),
    lo: numberIn(row, 'lo'),
    hi: numberIn(row, 'hi'),
    atMs: numberIn(row, 'at_ms'),
    data: bytesIn(row, 'data'),
    after: after === undefined ? [] : after.split(' ').map(Number),
    writer: textIn(row, 'writer'),
    opId: optional(row, 'op_id', textIn),
  }
  requireSum(row, sumOfEntry(logId, entry), `entry ${entry.seq}`)
  return entry
}

/** The checksum of an entry's row. */
export function sumOfEntry(logId: number, { seq, lo, hi, atMs, data, after, writer, opId }: EntryRecord): number {
  return sumOf([logId, seq, lo, hi, atMs, after.join(' '), writer, opId ?? null], data)
}

/** A grant's row, if there is one. Throws `ERR_DATA_FORMAT`. */
export function grantOf(row: Row): GrantRecord | undefined {
  if (!row) return undefined
  const grant: GrantRecord = {
    id: textIn(row, 'id'),
    parent: textIn(row, 'parent'),
    path: textIn(row, 'path'),
    untilMs: numberIn(row, 'until_ms'),
    read: numberIn(row, 'may_read') === 1,
    write: numberIn(row, 'may_write') === 1,
    grant: numberIn(row, 'may_grant') === 1,
    label: textIn(row, 'label'),
    madeAtMs: numberIn(row, 'made_at_ms'),
    maxBytes: optional(row, 'max_bytes', numberIn),
    maxWrites: optional(row, 'max_writes', numberIn),
    usedBytes: numberIn(row, 'used_bytes'),
    usedWrites: numberIn(row, 'used_writes'),
    revokedSeq: optional(row, 'revoked_seq', numberIn),
  }
  requireSum(row, sumOfGrant(grant), `grant ${grant.id}`)
  return grant
}

/** The checksum of a grant's row: of all but what was used. */
export function sumOfGrant(grant: GrantRecord): number {
  const { id, parent = '', path, untilMs, read, write, label, madeAtMs, maxBytes = null, maxWrites = null } = grant
  const limits = [maxBytes, maxWrites, grant.revokedSeq ?? null]
  return sumOf([id, parent, path, untilMs, read, write, grant.grant, label, madeAtMs, ...limits])
}

function requireSum(row: Row, sum: number, what: string): void {
  if (numberIn(row, 'sum') !== sum) throw new GroveError('ERR_DATA_FORMAT', `${what} is not as it was written`)
}
