/** Logs and their entries in memory. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { EntryRecord, LogRecord, Records } from '../logs/records.ts'
import { covers } from '../logs/store-path.ts'

interface OpRecord {
  readonly seq: number
  readonly atMs: number
}

interface MemoryLog {
  record: LogRecord
  /** Oldest first. As many as are written; it is a model, not a place for anybody's history. */
  entries: EntryRecord[]
  /** Keyed by operation. */
  ops: Map<string, OpRecord>
}

/** Logs in memory. `undone` takes what undoes each change. */
export function memoryLogs(
  undone: (take: () => void) => void,
): Pick<
  Records,
  'log' | 'addLog' | 'logPaths' | 'head' | 'extent' | 'entry' | 'page' | 'seqOfOp' | 'addEntry' | 'trim'
> {
  const byPath = new Map<string, MemoryLog>()
  const byId: MemoryLog[] = []
  const entriesOf = (logId: number) => byId[logId - 1]?.entries ?? []
  return {
    log: (path) => byPath.get(path)?.record,
    addLog(path, serialized) {
      const record = { id: byId.length + 1, path, serialized, trimmedSeq: 0, coverSeq: 0 }
      const log: MemoryLog = { record, entries: [], ops: new Map() }
      byId.push(log)
      byPath.set(path, log)
      undone(() => {
        byPath.delete(path)
        byId.pop()
      })
    },
    logPaths: (prefix) => [...byPath.keys()].filter((path) => covers(prefix, path)).sort(),
    head: (logId) => entriesOf(logId).at(-1)?.seq ?? 0,
    extent(logId) {
      const entries = entriesOf(logId)
      const bytes = entries.reduce((sum, { data }) => sum + data.length, 0)
      return { oldest: entries[0]?.seq ?? 0, entries: entries.length, bytes }
    },
    entry(logId, seq) {
      const entry = entriesOf(logId).find((candidate) => candidate.seq === seq)
      return entry && copied(entry)
    },
    page: (logId, afterSeq, uptoSeq) => pageOf(entriesOf(logId), afterSeq, uptoSeq),
    seqOfOp: (logId, opId) => byId[logId - 1]?.ops.get(opId)?.seq,
    addEntry(logId, entry) {
      const log = byId[logId - 1]
      if (!log) throw new GroveError('ERR_INTERNAL', `there is no log ${logId}`)
      log.entries.push(copied(entry))
      undone(() => log.entries.pop())
      const { opId, seq, atMs } = entry
      if (opId === undefined) return
      log.ops.set(opId, { seq, atMs })
      undone(() => log.ops.delete(opId))
    },
    trim(logId, from, to, coverSeq) {
      const log = byId[logId - 1]
      const isGone = ({ seq }: EntryRecord) => from <= seq && seq < to
      const gone = log?.entries.filter(isGone)
      const newest = gone?.at(-1)
      if (!log || !newest) return
      const keptFromMs = (log.entries.find(({ seq }) => seq === coverSeq)?.atMs ?? 0) - limits.store.opKeptMs
      const before = { ...log }
      undone(() => Object.assign(log, before))
      log.entries = log.entries.filter((entry) => !isGone(entry))
      const first = log.entries[0]?.seq ?? Number.POSITIVE_INFINITY
      log.ops = new Map([...log.ops].filter(([, { seq, atMs }]) => seq >= first || atMs >= keptFromMs))
      log.record = { ...log.record, trimmedSeq: Math.max(log.record.trimmedSeq, newest.seq), coverSeq }
    },
  }
}

function copied(entry: EntryRecord): EntryRecord {
  return { ...entry, data: new Uint8Array(entry.data), after: [...entry.after] }
}

function pageOf(entries: readonly EntryRecord[], afterSeq: number, uptoSeq: number): EntryRecord[] {
  const page: EntryRecord[] = []
  let bytes = 0
  for (const entry of entries) {
    if (entry.seq <= afterSeq) continue
    if (entry.seq > uptoSeq || page.length >= limits.store.pageEntries || bytes >= limits.store.pageBytes) break
    bytes += entry.data.length
    page.push(copied(entry))
  }
  return page
}
