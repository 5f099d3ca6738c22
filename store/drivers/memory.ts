/** Records in memory: the reference model of a driver, and a store for tests. Nothing outlives the process. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Environment } from '../environment.ts'
import { nodeEnvironment } from '../environment-node.ts'
import { createLocalStore, type StoreOptions } from '../logs/create-store.ts'
import type { EntryRecord, GrantRecord, KeyRecord, LogRecord, Records } from '../logs/records.ts'
import { covers } from '../logs/store-path.ts'
import type { GrantId, Store } from '../store.ts'
import { newStoreSeed } from './store-seed.ts'

/** A new, empty store in memory. */
export async function openMemoryStore(options: StoreOptions = {}): Promise<Store> {
  return createLocalStore(memoryRecords(options.env), options)
}

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

/** Records in memory. */
export function memoryRecords(env: Pick<Environment, 'now' | 'randomBytes'> = nodeEnvironment): Records {
  const { storeId, key } = newStoreSeed(env)
  const byPath = new Map<string, MemoryLog>()
  const byId: MemoryLog[] = []
  const grants = new Map<GrantId, GrantRecord>()
  let keys: readonly KeyRecord[] = [key]
  let lastSeq = 0
  let epoch = 0
  /** What takes the running transaction's changes back, the first change first. */
  let undo: (() => void)[] = []

  function setGrant(record: GrantRecord): void {
    const before = grants.get(record.id)
    grants.set(record.id, record)
    undo.push(() => (before ? grants.set(record.id, before) : grants.delete(record.id)))
  }

  const entriesOf = (logId: number) => byId[logId - 1]?.entries ?? []
  return {
    storeId,
    transact(run) {
      undo = []
      const before = { lastSeq, epoch, keys }
      try {
        return run()
      } catch (error) {
        for (const take of undo.reverse()) take()
        ;({ lastSeq, epoch, keys } = before)
        throw error
      }
    },
    read: (run) => run(),
    close() {},
    copyTo() {
      throw new GroveError('ERR_BAD_REQUEST', 'a store in memory has no file to copy')
    },
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
    keys: () => keys,
    addKey(record) {
      keys = [...keys, record]
    },
    removeKey(kid) {
      keys = keys.filter((record) => record.kid !== kid)
    },
    log: (path) => byPath.get(path)?.record,
    addLog(path, serialized) {
      const record = { id: byId.length + 1, path, serialized, trimmedSeq: 0, coverSeq: 0 }
      const log: MemoryLog = { record, entries: [], ops: new Map() }
      byId.push(log)
      byPath.set(path, log)
      undo.push(() => {
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
      undo.push(() => log.entries.pop())
      const { opId, seq, atMs } = entry
      if (opId === undefined) return
      log.ops.set(opId, { seq, atMs })
      undo.push(() => log.ops.delete(opId))
    },
    trim(logId, from, to, coverSeq) {
      const log = byId[logId - 1]
      const isGone = ({ seq }: EntryRecord) => from <= seq && seq < to
      const gone = log?.entries.filter(isGone)
      const newest = gone?.at(-1)
      if (!log || !newest) return
      const keptFromMs = (log.entries.find(({ seq }) => seq === coverSeq)?.atMs ?? 0) - limits.store.opKeptMs
      const before = { ...log }
      undo.push(() => Object.assign(log, before))
      log.entries = log.entries.filter((entry) => !isGone(entry))
      const first = log.entries[0]?.seq ?? Number.POSITIVE_INFINITY
      log.ops = new Map([...log.ops].filter(([, { seq, atMs }]) => seq >= first || atMs >= keptFromMs))
      log.record = { ...log.record, trimmedSeq: Math.max(log.record.trimmedSeq, newest.seq), coverSeq }
    },
    grant: (id) => grants.get(id),
    grants: (prefix, most) =>
      [...grants.values()]
        .filter(({ path }) => covers(prefix, path))
        .reverse()
        .slice(0, most),
    children: (id) => [...grants.values()].filter(({ parent }) => parent === id).map((grant) => grant.id),
    addGrant: setGrant,
    useGrant(id, bytes, writes) {
      const record = grants.get(id)
      if (!record) return
      const { usedBytes, usedWrites } = record
      setGrant({ ...record, usedBytes: usedBytes + bytes, usedWrites: usedWrites + writes })
    },
    revokeGrant(id, seq) {
      const record = grants.get(id)
      if (record && record.revokedSeq === undefined) setGrant({ ...record, revokedSeq: seq })
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
