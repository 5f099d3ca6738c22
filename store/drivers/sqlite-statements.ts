/** Every statement that the SQLite driver runs. */

import type { DatabaseSync } from 'node:sqlite'
import { seqBits } from './sqlite-open.ts'

const seqMask = 2 ** seqBits - 1
const idOf = (log: string, seq: string) => `((${log} << ${seqBits}) | ${seq})`
const entryColumns = `id & ${seqMask} AS seq, sum, at_ms, lo, hi, writer, op_id, after, data`

/** The statements of one database, prepared. */
export type Statements = ReturnType<typeof prepareStatements>

/** Prepares all of them. Throws SQLite's error when the database lacks a part. */
export function prepareStatements(database: DatabaseSync) {
  const statement = (text: string) => database.prepare(text)
  // One that is run for what it does. Its answer tells the id of the row that was added last, in whatever table: too
  // large for a number.
  const action = (text: string) => {
    const prepared = statement(text)
    prepared.setReadBigInts(true)
    return prepared
  }
  return {
    begin: action('BEGIN IMMEDIATE'),
    commit: action('COMMIT'),
    rollback: action('ROLLBACK'),
    checkpoint: statement('PRAGMA wal_checkpoint(PASSIVE)'),
    copyTo: action('VACUUM INTO ?'),
    store: statement('SELECT id, last_seq, epoch, sum FROM store'),
    setStore: action('UPDATE store SET last_seq = ?, epoch = ?, sum = ?'),
    keys: statement('SELECT kid, key, made_at_ms FROM keys ORDER BY rowid'),
    addKey: action('INSERT INTO keys (kid, key, made_at_ms) VALUES (?, ?, ?)'),
    removeKey: action('DELETE FROM keys WHERE kid = ?'),
    log: statement('SELECT id, serialized, trimmed_seq, cover_seq, sum FROM logs WHERE path = ?'),
    logById: statement('SELECT path, serialized FROM logs WHERE id = ?'),
    addLog: action('INSERT INTO logs (path, serialized, trimmed_seq, cover_seq, sum) VALUES (?, ?, 0, 0, ?)'),
    trimLog: action('UPDATE logs SET trimmed_seq = ?, cover_seq = ?, sum = ? WHERE id = ?'),
    // '0' is the character after '/': the range holds exactly the paths that begin with the prefix and a slash.
    logPaths: statement(
      `SELECT path FROM logs WHERE path = :prefix OR (path > :prefix || '/' AND path < :prefix || '0') ORDER BY path`,
    ),
    head: statement(
      `SELECT id & ${seqMask} AS seq FROM entries
       WHERE id > ${idOf('?1', '0')} AND id <= ${idOf('?1', String(seqMask))} ORDER BY id DESC LIMIT 1`,
    ),
    newestBefore: statement(
      `SELECT id & ${seqMask} AS seq FROM entries
       WHERE id >= ${idOf('?1', '?2')} AND id < ${idOf('?1', '?3')} ORDER BY id DESC LIMIT 1`,
    ),
    extent: statement(
      `SELECT coalesce(min(id & ${seqMask}), 0) AS oldest, count(*) AS entries, coalesce(sum(length(data)), 0) AS bytes
       FROM entries WHERE id > ${idOf('?1', '0')} AND id <= ${idOf('?1', String(seqMask))}`,
    ),
    entry: statement(`SELECT ${entryColumns} FROM entries WHERE id = ${idOf('?', '?')}`),
    page: statement(
      `SELECT ${entryColumns} FROM entries
       WHERE id > ${idOf('?1', '?2')} AND id <= ${idOf('?1', '?3')} ORDER BY id LIMIT ?4`,
    ),
    addEntry: action(
      `INSERT INTO entries (id, sum, at_ms, lo, hi, writer, op_id, after, data)
       VALUES (${idOf('?', '?')}, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    trimEntries: action(`DELETE FROM entries WHERE id >= ${idOf('?1', '?2')} AND id < ${idOf('?1', '?3')}`),
    seqOfOp: statement('SELECT seq FROM ops WHERE log = ? AND op_id = ?'),
    addOp: action('INSERT INTO ops (log, op_id, seq, at_ms) VALUES (?, ?, ?, ?)'),
    trimOps: action('DELETE FROM ops WHERE log = ? AND seq < ? AND at_ms < ?'),
    grant: statement('SELECT * FROM grants WHERE id = ?'),
    grants: statement(
      `SELECT * FROM grants WHERE path = :prefix OR (path > :prefix || '/' AND path < :prefix || '0') OR :prefix = ''
       ORDER BY number DESC LIMIT :most`,
    ),
    children: statement('SELECT id FROM grants WHERE parent = ? ORDER BY number LIMIT ?'),
    addGrant: action(
      `INSERT INTO grants (id, parent, path, until_ms, may_read, may_write, may_grant, label, made_at_ms,
         max_bytes, max_writes, used_bytes, used_writes, revoked_seq, sum)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    setUsed: action('UPDATE grants SET used_bytes = ?, used_writes = ? WHERE id = ?'),
    revokeGrant: action('UPDATE grants SET revoked_seq = ?, sum = ? WHERE id = ?'),
  }
}
