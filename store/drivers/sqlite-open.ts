/**
 * Opens the store's file: alone, in the mode in which an acknowledgement means that it is on the disk, and only if
 * it is one that this version of Grove reads.
 *
 * The lock is SQLite's own (POSIX locks), so it ends with the process, however that ends. No other code may open the
 * file in this process: closing any descriptor of it would give the lock up.
 */

import { dirname, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { GroveError } from '../../core/errors.ts'
import { toDiskError } from '../disk-error.ts'
import type { Files } from '../environment.ts'
import { sumOf } from './row-sum.ts'
import { requireWritable } from './sqlite-file.ts'
import type { StoreSeed } from './store-seed.ts'

/** `Grov`: says in the file's header whose it is. */
const applicationId = 0x47726f76
const schemaVersion = 2

/** Bits of a moment in an entry's id; those above are its log's. */
export const seqBits = 40

/** A `sum` is the checksum of its row (row-sum.ts): SQLite itself does not notice when the disk changes a value. */
const schema = `
  CREATE TABLE store (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    last_seq INTEGER NOT NULL CHECK (last_seq < 1 << ${seqBits}),
    epoch INTEGER NOT NULL,
    sum INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE keys (
    kid TEXT PRIMARY KEY,
    key BLOB NOT NULL,
    made_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE logs (
    id INTEGER PRIMARY KEY CHECK (id < 1 << ${63 - seqBits}),
    path TEXT NOT NULL UNIQUE,
    serialized INTEGER NOT NULL,
    trimmed_seq INTEGER NOT NULL,
    cover_seq INTEGER NOT NULL,
    sum INTEGER NOT NULL
  ) STRICT;
  -- The id of an entry is its log and its moment, so that a log is one stretch of one tree: an append changes one page.
  CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    sum INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    lo INTEGER NOT NULL,
    hi INTEGER NOT NULL,
    writer TEXT NOT NULL,
    op_id TEXT,
    after TEXT,
    data BLOB NOT NULL
  ) STRICT;
  -- Apart from the entries, which they outlive for a while.
  CREATE TABLE ops (
    log INTEGER NOT NULL,
    op_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (log, op_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE grants (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    parent TEXT NOT NULL,
    path TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    may_read INTEGER NOT NULL,
    may_write INTEGER NOT NULL,
    may_grant INTEGER NOT NULL,
    label TEXT NOT NULL,
    made_at_ms INTEGER NOT NULL,
    max_bytes INTEGER,
    max_writes INTEGER,
    used_bytes INTEGER NOT NULL,
    used_writes INTEGER NOT NULL,
    revoked_seq INTEGER,
    -- Of all but what was used.
    sum INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX grants_by_parent ON grants (parent);
  CREATE INDEX grants_by_path ON grants (path);
`

/** SQLite's primary result codes that mean something to us (sqlite.org/rescode.html). */
export const sqliteCode = { busy: 5, corrupt: 11, full: 13, notADatabase: 26 } as const

/** The primary result code of an error that SQLite threw, or undefined for any other error. */
export function sqliteCodeOf(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error) || !('errcode' in thrown) || typeof thrown.errcode !== 'number') return undefined
  return thrown.errcode & 0xff
}

/**
 * The database of a file, made when it is not there. Throws `ERR_DATA_LOCKED` when another process has it,
 * `ERR_DATA_FORMAT` when it is not a store of this version, `ERR_DATA_IO` when the disk or the file system fails.
 */
export async function openDatabase(file: string, files: Files, seed: StoreSeed): Promise<DatabaseSync> {
  let database: DatabaseSync | undefined
  try {
    await makeFile(file, files)
    requireWritable(file)
    database = new DatabaseSync(file, { timeout: 0 })
    setPragma(database, 'locking_mode', 'EXCLUSIVE', 'exclusive')
    const isNew = isNewStore(database, file)
    makeDurable(database)
    if (isNew) makeTables(database, seed)
    return database
  } catch (error) {
    database?.close()
    throw openError(file, error)
  }
}

/** Makes the file with its mode before SQLite would make it with another. Never opens one that is there: see above. */
async function makeFile(file: string, files: Files): Promise<void> {
  const folder = dirname(file)
  await makeFolder(resolve(folder), files)
  try {
    const made = await files.create(file)
    await made.close()
    await files.syncFolder(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

/** Makes a folder and those above it. Each new one is a name in the one above, which has to survive a power failure. */
async function makeFolder(folder: string, files: Files): Promise<void> {
  if (await files.stat(folder)) return
  const above = dirname(folder)
  if (above !== folder) await makeFolder(above, files)
  await files.makeFolder(folder)
  await files.syncFolder(above)
}

/**
 * Whether the file is empty, and a store of this version otherwise. Throws `ERR_DATA_FORMAT`. The first read takes the
 * lock; nothing is changed before it is known that the file is ours.
 *
 * With the exclusive mode there is one connection at any time, which also keeps us out of reach of the WAL-reset fault
 * of SQLite 3.7.0 to 3.51.2, a race of two.
 */
function isNewStore(database: DatabaseSync, file: string): boolean {
  const tables = database.prepare('SELECT count(*) AS count FROM sqlite_schema').get()?.['count']
  const owner = readPragma(database, 'application_id')
  const version = readPragma(database, 'user_version')
  if (owner === 0 && version === 0 && tables === 0) return true
  if (owner !== applicationId)
    throw new GroveError('ERR_DATA_FORMAT', `${file} is a database, but not a store of grove`)
  if (version === schemaVersion) return false
  throw new GroveError('ERR_DATA_FORMAT', `${file} has format ${String(version)}; this grove reads ${schemaVersion}`, {
    hint:
      typeof version === 'number' && version < schemaVersion
        ? 'begin with a new data folder and publish its sites again: no released grove wrote this format'
        : 'use the version of grove that wrote it, or a newer one',
  })
}

/**
 * Sets what an acknowledgement rests on. Each setting is read back: SQLite answers one that it cannot have (a file
 * system without locks, a build without WAL) with the one that it kept.
 */
function makeDurable(database: DatabaseSync): void {
  setPragma(database, 'journal_mode', 'WAL', 'wal')
  setPragma(database, 'synchronous', 'FULL', 2)
  // macOS answers an fsync before the disk has it, unless it is asked for more.
  setPragma(database, 'fullfsync', 'ON', 1)
  setPragma(database, 'checkpoint_fullfsync', 'ON', 1)
  // SQLite says nothing when a checkpoint of its own fails to reach the disk; the driver makes them and listens.
  setPragma(database, 'wal_autocheckpoint', '0', 0)
}

/** Makes the tables in one transaction: a kill in the middle leaves an empty file, which is new again. */
function makeTables(database: DatabaseSync, { storeId, key }: StoreSeed): void {
  database.exec('BEGIN IMMEDIATE')
  database.exec(`${schema} PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${schemaVersion};`)
  database
    .prepare('INSERT INTO store (one, id, last_seq, epoch, sum) VALUES (1, ?, 0, 0, ?)')
    .run(storeId, sumOf([storeId, 0, 0]))
  database.prepare('INSERT INTO keys (kid, key, made_at_ms) VALUES (?, ?, ?)').run(key.kid, key.key, key.madeAtMs)
  database.exec('COMMIT')
}

function setPragma(database: DatabaseSync, name: string, value: string, expected: string | number): void {
  database.exec(`PRAGMA ${name} = ${value}`)
  const found = readPragma(database, name)
  if (found !== expected) throw new GroveError('ERR_DATA_IO', `SQLite keeps ${name} at ${String(found)}, not ${value}`)
}

function readPragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0]
}

function openError(file: string, thrown: unknown): GroveError {
  switch (sqliteCodeOf(thrown)) {
    case sqliteCode.busy:
      return new GroveError('ERR_DATA_LOCKED', `${file} is in use by another process`, {
        cause: thrown,
        hint: 'stop the other grove that serves this data folder, or choose another folder with --data',
      })
    case sqliteCode.notADatabase:
    case sqliteCode.corrupt:
      return new GroveError('ERR_DATA_FORMAT', `${file} is not a store of grove, or it is damaged`, {
        cause: thrown,
        hint: 'restore the data folder from a backup; grove has changed nothing in it',
      })
    default:
      return toDiskError(`open ${file}`, thrown)
  }
}
