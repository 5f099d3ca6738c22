/**
 * Records in one SQLite file (WAL, synchronous=FULL), through node:sqlite. A transaction is one fsync. Calls are
 * synchronous: nothing else runs between the check of a right and the write that it allows.
 */

import type { DatabaseSync } from 'node:sqlite'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { toDiskError } from '../disk-error.ts'
import type { EntryRecord, LogRecord, Records } from '../logs/records.ts'
import { sumOf } from './row-sum.ts'
import { copyDatabase, identityOf } from './sqlite-file.ts'
import { grantTable } from './sqlite-grants.ts'
import { seqBits, sqliteCode, sqliteCodeOf } from './sqlite-open.ts'
import { entryOfRow, keyOf, logOf, numberIn, storeOf, sumOfEntry, sumOfLog } from './sqlite-rows.ts'
import { prepareStatements, type Statements } from './sqlite-statements.ts'

/** Pages of 4 KiB that are written to the WAL, roughly, before they are brought into the database. */
const checkpointPages = 1_000
const pageBytes = 4_096
/** What a transaction changes beside the data that it brings, in pages. */
const pagesPerTransaction = 3
/** Records of logs that are kept in memory. */
const logsKept = 10_000

/** Records in a database that is open and checked; they own the database. Throws `ERR_DATA_FORMAT`. */
export function sqliteRecords(database: DatabaseSync, file: string): Records {
  const { sql, storeId, ...found } = readStore(database, file)
  const identity = identityOf(file)
  let { lastSeq, epoch } = found
  /** Set when it is not known whether something is on the disk: after a restart the file itself will tell. */
  let broken: GroveError | undefined
  const grants = grantTable(sql)
  /** Keyed by path. */
  const logs = new Map<string, LogRecord>()
  /** Pages that were written since the last checkpoint, roughly. */
  let pages = 0

  function guarded<T>(what: string, run: () => T): T {
    if (broken) throw new GroveError('ERR_DATA_IO', 'store has stopped after a failed write', { cause: broken })
    try {
      return run()
    } catch (error) {
      throw toStoreError(`${what} ${file}`, file, error)
    }
  }

  /**
   * Runs what brings bytes to the disk. A full disk is told before anything counts. After any other failure the pages
   * may or may not be there, and a second fsync could say yes to what the first one lost.
   */
  function durably(run: () => unknown): void {
    try {
      run()
    } catch (error) {
      if (sqliteCodeOf(error) !== sqliteCode.full) broken = toDiskError(`write to ${file}`, error)
      throw error
    }
  }

  /** Brings the WAL into the database when it is long. When the disk is full it waits in the WAL, which is as durable. */
  function checkpoint(): void {
    if (pages < checkpointPages) return
    pages = 0
    try {
      durably(() => sql.checkpoint.get())
    } catch (error) {
      if (broken) throw error
    }
  }

  function transact<T>(run: () => T): T {
    requireOurFile(file, identity)
    checkpoint()
    const before = { lastSeq, epoch }
    sql.begin.run()
    try {
      const result = run()
      if (lastSeq !== before.lastSeq || epoch !== before.epoch)
        sql.setStore.run(lastSeq, epoch, sumOf([storeId, lastSeq, epoch]))
      grants.flush()
      durably(() => sql.commit.run())
      pages += pagesPerTransaction
      return result
    } catch (error) {
      ;({ lastSeq, epoch } = before)
      grants.undo()
      logs.clear()
      if (database.isTransaction) sql.rollback.run()
      throw error
    }
  }

  return {
    storeId,
    transact: (run) => guarded('write to', () => transact(run)),
    read: (run) => guarded('read', run),
    close: () => database.close(),
    copyTo: (target) => guarded('copy', () => copyDatabase(sql.copyTo, target)),
    takeEpoch() {
      epoch += 1
      return epoch
    },
    epoch: () => epoch,
    lastSeq: () => lastSeq,
    takeSeq() {
      lastSeq += 1
      return lastSeq
    },
    keys: () => guarded('read', () => sql.keys.all().map(keyOf)),
    addKey: ({ kid, key, madeAtMs }) => void sql.addKey.run(kid, key, madeAtMs),
    removeKey: (kid) => void sql.removeKey.run(kid),
    log(path) {
      const known = logs.get(path)
      if (known) return known
      const row = sql.log.get(path)
      const log = row && logOf(row, path)
      if (logs.size >= logsKept) logs.clear()
      if (log) logs.set(path, log)
      return log
    },
    addLog(path, serialized) {
      sql.addLog.run(path, Number(serialized), sumOfLog({ path, serialized, trimmedSeq: 0, coverSeq: 0 }))
    },
    logPaths: (prefix) => sql.logPaths.all({ prefix: prefix === '/' ? '' : prefix }).map((row) => String(row['path'])),
    head: (logId) => seqIn(sql.head.get(logId)),
    extent(logId) {
      const row = sql.extent.get(logId)
      return { oldest: numberIn(row, 'oldest'), entries: numberIn(row, 'entries'), bytes: numberIn(row, 'bytes') }
    },
    entry(logId, seq) {
      const row = sql.entry.get(logId, seq)
      return row && entryOfRow(row, logId)
    },
    page: (logId, afterSeq, uptoSeq) => pageOf(sql, logId, afterSeq, uptoSeq),
    seqOfOp(logId, opId) {
      const row = sql.seqOfOp.get(logId, opId)
      return row && numberIn(row, 'seq')
    },
    addEntry(logId, entry) {
      const { seq, lo, hi, atMs, data, after, writer, opId = null } = entry
      const moments = after.length === 0 ? null : after.join(' ')
      sql.addEntry.run(logId, seq, sumOfEntry(logId, entry), atMs, lo, hi, writer, opId, moments, data)
      if (opId !== null) sql.addOp.run(logId, opId, seq, atMs)
      pages += 1 + data.length / pageBytes
    },
    trim(logId, from, to, coverSeq) {
      trim(sql, logId, from, to, coverSeq)
      logs.clear()
    },
    grant: grants.grant,
    grants: grants.grants,
    children: grants.children,
    addGrant: grants.add,
    useGrant: grants.use,
    revokeGrant: grants.revoke,
  }
}

/** What the file says of itself. Throws `ERR_DATA_FORMAT` when it lacks a part. */
function readStore(database: DatabaseSync, file: string) {
  try {
    const sql = prepareStatements(database)
    if (sql.keys.get() === undefined) throw new GroveError('ERR_DATA_FORMAT', 'the store has no key')
    return { sql, ...storeOf(sql.store.get()) }
  } catch (error) {
    throw new GroveError('ERR_DATA_FORMAT', `${file} lacks parts of a store, or it is damaged`, { cause: error })
  }
}

/** An error of SQLite or of a damaged row, naming the file; a refusal stays as it is. */
function toStoreError(what: string, file: string, error: unknown): unknown {
  if (sqliteCodeOf(error) !== undefined) return toDiskError(what, error)
  const isDamage = error instanceof RangeError || (error instanceof GroveError && error.code === 'ERR_DATA_FORMAT')
  if (!isDamage || error.message.includes(file)) return error
  return new GroveError('ERR_DATA_FORMAT', `${file} is damaged: ${error.message}`, {
    cause: error,
    hint: 'restore the data folder from a backup',
  })
}

/** Throws `ERR_FENCED` when the file at the path is not the one that was opened: a restored copy, for one. */
function requireOurFile(file: string, opened: ReturnType<typeof identityOf>): void {
  const found = identityOf(file)
  if (found && opened && found.ino === opened.ino && found.dev === opened.dev) return
  throw new GroveError('ERR_FENCED', `${file} is not the file any more that this grove opened`, {
    hint: 'start grove again: it goes on with the file that is there now',
  })
}

function trim(sql: Statements, logId: number, from: number, to: number, coverSeq: number): void {
  const newest = sql.newestBefore.get(logId, from, to)
  const row = sql.logById.get(logId)
  if (!newest || !row) return
  const path = String(row['path'])
  const { serialized, trimmedSeq } = logOf(sql.log.get(path), path)
  const log = { path, serialized, trimmedSeq: Math.max(trimmedSeq, seqIn(newest)), coverSeq }
  sql.trimEntries.run(logId, from, to)
  sql.trimLog.run(log.trimmedSeq, coverSeq, sumOfLog(log), logId)
  const cover = sql.entry.get(logId, coverSeq)
  const oldest = pageOf(sql, logId, 0, Number.MAX_SAFE_INTEGER, 1)[0]?.seq
  const keptFromMs = (cover ? numberIn(cover, 'at_ms') : 0) - limits.store.opKeptMs
  sql.trimOps.run(logId, oldest ?? Number.MAX_SAFE_INTEGER, keptFromMs)
}

function seqIn(row: ReturnType<Statements['head']['get']>): number {
  return row ? numberIn(row, 'seq') : 0
}

function pageOf(
  sql: Statements,
  logId: number,
  afterSeq: number,
  uptoSeq: number,
  most: number = limits.store.pageEntries,
): EntryRecord[] {
  const page: EntryRecord[] = []
  let bytes = 0
  for (const row of sql.page.iterate(logId, afterSeq, Math.min(uptoSeq, lastOfAll), most)) {
    const entry = entryOfRow(row, logId)
    page.push(entry)
    bytes += entry.data.length
    if (bytes >= limits.store.pageBytes) break
  }
  return page
}

/** The last moment that there can be. */
const lastOfAll = 2 ** seqBits - 1
