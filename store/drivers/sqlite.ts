/**
 * The default driver: one SQLite file (WAL, synchronous=FULL), through node:sqlite.
 *
 * An append is one transaction and one fsync. Calls are synchronous: nothing else runs between the check of a right and
 * the write that it allows.
 */

import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { toDiskError } from '../durable.ts'
import { createStore, type StoreOptions } from '../logs/create-store.ts'
import type { EntryRecord, GrantRecord, Records } from '../logs/records.ts'
import type { Store } from '../store.ts'
import { openDatabase, sqliteCode, sqliteCodeOf } from './sqlite-open.ts'

/**
 * Opens the store in a file and makes it when it is not there. Throws `ERR_DATA_LOCKED` when another process has it,
 * `ERR_DATA_FORMAT` when it is not a store of this version, `ERR_DATA_IO` when the disk fails.
 */
export async function openSqliteStore(file: string, options: StoreOptions = {}): Promise<Store> {
  const database = await openDatabase(file)
  try {
    return createStore(sqliteRecords(database, file), options)
  } catch (error) {
    database.close()
    throw new GroveError('ERR_DATA_FORMAT', `${file} lacks parts of a store`, { cause: error })
  }
}

/** Records in a database that is open and checked; it owns the database. */
export function sqliteRecords(database: DatabaseSync, file: string): Records {
  const sql = prepare(database)
  const store = sql.store.get()
  const storeId = store?.['id']
  const handleKey = store?.['handle_key']
  if (typeof storeId !== 'string' || !(handleKey instanceof Uint8Array) || handleKey.length < 32)
    throw new GroveError('ERR_DATA_FORMAT', `${file} has no id and no key`)
  /** Set when it is not known whether a commit is on the disk: after a restart the file itself will tell. */
  let broken: GroveError | undefined

  function guarded<T>(what: string, run: () => T): T {
    if (broken) throw new GroveError('ERR_DATA_IO', 'store has stopped after a failed commit', { cause: broken })
    try {
      return run()
    } catch (error) {
      throw sqliteCodeOf(error) === undefined ? error : toDiskError(`${what} ${file}`, error)
    }
  }

  function commit(): void {
    try {
      sql.commit.run()
    } catch (error) {
      // A full disk is told before anything counts and is rolled back. After any other failure the pages may or may not
      // be on the disk, and a second fsync could say yes to what the first one lost.
      if (sqliteCodeOf(error) !== sqliteCode.full) broken = toDiskError(`commit to ${file}`, error)
      throw error
    }
  }

  return {
    storeId,
    handleKey,
    transact: (run) =>
      guarded('write to', () => {
        sql.begin.run()
        try {
          const result = run()
          commit()
          return result
        } catch (error) {
          if (database.isTransaction) sql.rollback.run()
          throw error
        }
      }),
    read: (run) => guarded('read', run),
    close: () => database.close(),
    lastSeq: () => guarded('read', () => numberIn(sql.store.get(), 'last_seq')),
    takeSeq: () => numberIn(sql.takeSeq.get(), 'last_seq'),
    log(path) {
      const row = sql.log.get(path)
      return row && { id: numberIn(row, 'id'), path, serialized: row['serialized'] === 1 }
    },
    addLog: (path, serialized) => void sql.addLog.run(path, Number(serialized)),
    logPaths: (prefix) => sql.logPaths.all({ prefix: prefix === '/' ? '' : prefix }).map((row) => String(row['path'])),
    head: (logId) => numberIn(sql.head.get(logId), 'seq'),
    page: (logId, afterSeq, uptoSeq) => pageOf(sql.page, logId, afterSeq, uptoSeq),
    seqOfOp(logId, opId) {
      const row = sql.seqOfOp.get(logId, opId)
      return row && numberIn(row, 'seq')
    },
    addEntry: (logId, { seq, writer, opId, data }) => void sql.addEntry.run(logId, seq, writer, opId ?? null, data),
    grant: (id) => grantOf(sql.grant.get(id)),
    addGrant: ({ id, parent, path, untilMs, read, write, grant, label }) =>
      void sql.addGrant.run(id, parent ?? '', path, untilMs, Number(read), Number(write), Number(grant), label),
    revokeGrant: (id, seq) => void sql.revokeGrant.run(seq, id),
  }
}

/** Every statement that the driver runs. */
function prepare(database: DatabaseSync) {
  const statement = (text: string) => database.prepare(text)
  return {
    begin: statement('BEGIN IMMEDIATE'),
    commit: statement('COMMIT'),
    rollback: statement('ROLLBACK'),
    store: statement('SELECT id, handle_key, last_seq FROM store'),
    takeSeq: statement('UPDATE store SET last_seq = last_seq + 1 RETURNING last_seq'),
    log: statement('SELECT id, serialized FROM logs WHERE path = ?'),
    addLog: statement('INSERT INTO logs (path, serialized) VALUES (?, ?)'),
    // '0' is the character after '/': the range holds exactly the paths that begin with the prefix and a slash.
    logPaths: statement(
      `SELECT path FROM logs WHERE path = :prefix OR (path > :prefix || '/' AND path < :prefix || '0') ORDER BY path`,
    ),
    head: statement('SELECT coalesce(max(seq), 0) AS seq FROM entries WHERE log = ?'),
    page: statement(
      'SELECT seq, writer, op_id, data FROM entries WHERE log = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?',
    ),
    seqOfOp: statement('SELECT seq FROM entries WHERE log = ? AND op_id = ?'),
    addEntry: statement('INSERT INTO entries (log, seq, writer, op_id, data) VALUES (?, ?, ?, ?, ?)'),
    grant: statement('SELECT * FROM grants WHERE id = ?'),
    addGrant: statement(
      `INSERT INTO grants (id, parent, path, until_ms, may_read, may_write, may_grant, label)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    revokeGrant: statement('UPDATE grants SET revoked_seq = ? WHERE id = ? AND revoked_seq IS NULL'),
  }
}

type Row = ReturnType<StatementSync['get']>

function numberIn(row: Row, column: string): number {
  const value = row?.[column]
  if (typeof value === 'number') return value
  throw new GroveError('ERR_DATA_FORMAT', `column ${column} holds ${typeof value}, not a number`)
}

function pageOf(statement: StatementSync, logId: number, afterSeq: number, uptoSeq: number): EntryRecord[] {
  const page: EntryRecord[] = []
  let bytes = 0
  for (const row of statement.iterate(logId, afterSeq, uptoSeq, limits.store.pageEntries)) {
    const data = row['data'] as Uint8Array
    const opId = row['op_id'] === null ? undefined : String(row['op_id'])
    page.push({ seq: numberIn(row, 'seq'), data, writer: String(row['writer']), opId })
    bytes += data.length
    if (bytes >= limits.store.pageBytes) break
  }
  return page
}

function grantOf(row: Row): GrantRecord | undefined {
  return (
    row && {
      id: String(row['id']),
      parent: String(row['parent']),
      path: String(row['path']),
      untilMs: numberIn(row, 'until_ms'),
      read: row['may_read'] === 1,
      write: row['may_write'] === 1,
      grant: row['may_grant'] === 1,
      label: String(row['label']),
      revokedSeq: row['revoked_seq'] === null ? undefined : numberIn(row, 'revoked_seq'),
    }
  )
}
