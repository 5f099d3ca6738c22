/** Checking a store's file that nobody has open: what SQLite finds, every row's sum, and what rows say of each other. */

import type { DatabaseSync } from 'node:sqlite'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Environment } from '../environment.ts'
import { rootGrantId } from '../grants/handle.ts'
import type { GrantId } from '../store.ts'
import { openDatabase, seqBits, sqliteCodeOf } from './sqlite-open.ts'
import { entryOfRow, grantOf, keyOf, logOf, numberIn, type Row, storeOf } from './sqlite-rows.ts'
import { newStoreSeed } from './store-seed.ts'

/** Rows that are looked at between two turns of others. */
const rowsPerTurn = 1_000

/** A check under way. */
interface Check {
  readonly env: Environment
  readonly database: DatabaseSync
  /** What is wrong, at most `limits.verify.faults`. */
  readonly faults: string[]
}

/**
 * What is wrong with a store's file, one line each; none for a file that is whole. Nothing is changed, but that SQLite
 * may finish what a process that was killed had begun. Throws `ERR_NOT_FOUND` when there is no store, `ERR_DATA_LOCKED`
 * when it is in use, `ERR_DATA_FORMAT` when it is not a store at all, `ERR_DATA_IO`.
 */
export async function checkSqliteFile(env: Environment, file: string): Promise<readonly string[]> {
  // An empty file would become a new store.
  const found = await env.files.stat(file)
  if (!found || found.isFolder || found.bytes === 0)
    throw new GroveError('ERR_NOT_FOUND', `${file} is not there`, {
      hint: 'name the data folder with --data; in one where grove was never started there is no store yet',
    })
  const database = await openDatabase(file, env.files, newStoreSeed(env))
  try {
    const check: Check = { env, database, faults: [] }
    await eachRow(check, `PRAGMA integrity_check(${limits.verify.faults})`, (row) => {
      const said = String(Object.values(row ?? {})[0])
      return said === 'ok' ? undefined : said
    })
    const logs = await checkLogs(check)
    await checkEntries(check, logs)
    await checkGrants(check)
    return check.faults
  } finally {
    database.close()
  }
}

/** Checks the store's own row, its keys and its logs. Answers what each log is called, keyed by number. */
async function checkLogs(check: Check): Promise<Map<number, string>> {
  const logs = new Map<number, string>()
  let stores = 0
  let keys = 0
  await eachRow(check, 'SELECT id, last_seq, epoch, sum FROM store', (row) => {
    storeOf(row)
    stores += 1
  })
  await eachRow(check, 'SELECT kid, key, made_at_ms FROM keys', (row) => {
    keyOf(row)
    keys += 1
  })
  if (stores !== 1) add(check, `it tells of ${stores} stores`)
  if (keys === 0) add(check, 'it has no key for handles')
  await eachRow(check, 'SELECT id, path, serialized, trimmed_seq, cover_seq, sum FROM logs', (row) => {
    const path = String(row?.['path'])
    logs.set(logOf(row, path).id, path)
  })
  return logs
}

async function checkEntries(check: Check, logs: ReadonlyMap<number, string>): Promise<void> {
  const lastSeq = numberIn(check.database.prepare('SELECT coalesce(max(last_seq), 0) AS last FROM store').get(), 'last')
  const columns = `id >> ${seqBits} AS log, id & ${2 ** seqBits - 1} AS seq`
  const rest = 'sum, at_ms, lo, hi, writer, op_id, after, data'
  await eachRow(check, `SELECT ${columns}, ${rest} FROM entries ORDER BY id`, (row) => {
    const log = numberIn(row, 'log')
    const { seq, lo, hi, after } = entryOfRow(row, log)
    const path = logs.get(log)
    if (path === undefined) return `entry ${seq} is of log number ${log}, which is not there`
    if (seq > lastSeq) return `entry ${seq} of ${path} is later than the store's last moment, ${lastSeq}`
    if (lo > hi || hi > seq) return `entry ${seq} of ${path} stands for ${lo} to ${hi}`
    if (after.some((moment) => moment >= seq)) return `entry ${seq} of ${path} comes after a later one`
    return undefined
  })
  await eachRow(check, 'SELECT log, seq FROM ops', (row) => {
    const log = numberIn(row, 'log')
    return logs.has(log) ? undefined : `an operation is of log number ${log}, which is not there`
  })
}

/** Every grant has to lead to the root, over no more grants than one can come from. */
async function checkGrants(check: Check): Promise<void> {
  const parents = new Map<GrantId, GrantId | undefined>()
  await eachRow(check, 'SELECT * FROM grants ORDER BY number', (row) => {
    const grant = grantOf(row)
    if (grant) parents.set(grant.id, grant.parent)
  })
  for (const id of parents.keys()) {
    let above: GrantId | undefined = id
    for (let steps = 0; above !== undefined && above !== rootGrantId && steps <= limits.store.grantDepth; steps += 1)
      above = parents.get(above)
    if (above !== rootGrantId) add(check, `grant ${id} has no whole chain to the root`)
  }
}

/** Runs a query. A text that `look` answers, or an error that it throws, is what is wrong with the row; a table that cannot be read is wrong itself. */
async function eachRow(check: Check, query: string, look: (row: Row) => unknown): Promise<void> {
  let rows = 0
  try {
    for (const row of check.database.prepare(query).iterate()) {
      rows += 1
      if (rows % rowsPerTurn === 0) await check.env.turn()
      try {
        const problem = look(row)
        if (typeof problem === 'string') add(check, problem)
      } catch (error) {
        if (!(error instanceof GroveError)) throw error
        add(check, error.message)
      }
    }
  } catch (error) {
    if (sqliteCodeOf(error) === undefined && !(error instanceof RangeError)) throw error
    add(check, `after ${rows} rows of "${query}": ${(error as Error).message}`)
  }
}

function add({ faults }: Check, problem: string): void {
  if (faults.length < limits.verify.faults) faults.push(problem)
}
