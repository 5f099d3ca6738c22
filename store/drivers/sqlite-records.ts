/**
 * Records in one SQLite file (WAL, synchronous=FULL), through node:sqlite. A transaction is one fsync. Calls are
 * synchronous: nothing else runs between the check of a right and the write that it allows.
 */

import type { DatabaseSync } from 'node:sqlite'
import { GroveError } from '../../core/errors.ts'
import { toDiskError } from '../disk-error.ts'
import type { Records } from '../logs/records.ts'
import { sumOf } from './row-sum.ts'
import { copyDatabase, identityOf } from './sqlite-file.ts'
import { grantTable } from './sqlite-grants.ts'
import { logTable } from './sqlite-logs.ts'
import { sqliteCode, sqliteCodeOf } from './sqlite-open.ts'
import { keyOf, storeOf } from './sqlite-rows.ts'
import { prepareStatements } from './sqlite-statements.ts'

/** Pages of 4 KiB that are written to the WAL, roughly, before they are brought into the database. */
const checkpointPages = 1_000
const pageBytes = 4_096
/** What a transaction changes beside the data that it brings, in pages. */
const pagesPerTransaction = 3

/** Records in a database that is open and checked; they own the database. Throws `ERR_DATA_FORMAT`. */
export function sqliteRecords(database: DatabaseSync, file: string): Records {
  const { sql, storeId, ...found } = readStore(database, file)
  const identity = identityOf(file)
  let { lastSeq, epoch } = found
  /** Set when it is not known whether something is on the disk: after a restart the file itself will tell. */
  let broken: GroveError | undefined
  const grants = grantTable(sql)
  const logs = logTable(sql, (bytes) => {
    pages += 1 + bytes / pageBytes
  })
  /** Pages that were written since the last checkpoint, roughly. */
  let pages = 0

  function guarded<T>(what: string, run: () => T): T {
    if (broken) throw stopped(broken)
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
      logs.undo()
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
    ...logs.records,
    ...grants.records,
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

function stopped(cause: GroveError): GroveError {
  return new GroveError('ERR_DATA_IO', `store has stopped after a failed write: ${cause.message}`, {
    cause,
    hint: 'look to the disk, then start grove again: the file itself will tell what is on the disk',
  })
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
