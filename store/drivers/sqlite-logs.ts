/** Logs and their entries in the SQLite driver. Records of logs in use are kept in memory: every request asks for one. */

import { limits } from '../../core/limits.ts'
import type { EntryRecord, LogRecord, Records } from '../logs/records.ts'
import { seqBits } from './sqlite-open.ts'
import { entryOfRow, logOf, numberIn, type Row, sumOfEntry, sumOfLog } from './sqlite-rows.ts'
import type { Statements } from './sqlite-statements.ts'

/** Records of logs that are kept in memory. */
const mostKept = 10_000

/** The logs of one database. */
export interface LogTable {
  readonly records: Pick<
    Records,
    'log' | 'addLog' | 'logPaths' | 'head' | 'extent' | 'entry' | 'page' | 'seqOfOp' | 'addEntry' | 'trim'
  >
  /** Forgets what a transaction changed that is undone. */
  undo(): void
}

/** The logs behind some statements. `wrote` is told the bytes of each entry that is added. */
export function logTable(sql: Statements, wrote: (bytes: number) => void): LogTable {
  /** Keyed by path. */
  const kept = new Map<string, LogRecord>()
  return {
    records: {
      log(path) {
        const known = kept.get(path)
        if (known) return known
        const row = sql.log.get(path)
        const log = row && logOf(row, path)
        if (kept.size >= mostKept) kept.clear()
        if (log) kept.set(path, log)
        return log
      },
      addLog(path, serialized) {
        sql.addLog.run(path, Number(serialized), sumOfLog({ path, serialized, trimmedSeq: 0, coverSeq: 0 }))
      },
      logPaths: (prefix) =>
        sql.logPaths.all({ prefix: prefix === '/' ? '' : prefix }).map((row) => String(row['path'])),
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
        wrote(data.length)
      },
      trim(logId, from, to, coverSeq) {
        trim(sql, logId, from, to, coverSeq)
        kept.clear()
      },
    },
    undo: () => kept.clear(),
  }
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

function seqIn(row: Row): number {
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
