/** Records in memory: the reference model of a driver, and a store for tests. Nothing outlives the process. */

import { randomBytes } from 'node:crypto'
import { limits } from '../../core/limits.ts'
import { createStore, type StoreOptions } from '../logs/create-store.ts'
import type { EntryRecord, GrantRecord, LogRecord, Records } from '../logs/records.ts'
import { covers } from '../logs/store-path.ts'
import type { GrantId, Store } from '../store.ts'

/** A new, empty store in memory. */
export async function openMemoryStore(options: StoreOptions = {}): Promise<Store> {
  return createStore(memoryRecords(), options)
}

/** Records in memory. */
export function memoryRecords(): Records {
  const logs = new Map<string, LogRecord>()
  /** Keyed by log id, minus one; each oldest first. */
  const entries: EntryRecord[][] = []
  const grants = new Map<GrantId, GrantRecord>()
  let lastSeq = 0
  /** What takes the running transaction's changes back, the first change first. */
  let undo: (() => void)[] = []

  const entriesOf = (logId: number) => entries[logId - 1] ?? []
  return {
    storeId: randomBytes(8).toString('hex'),
    handleKey: randomBytes(32),
    transact(run) {
      undo = []
      try {
        return run()
      } catch (error) {
        for (const take of undo.reverse()) take()
        throw error
      }
    },
    read: (run) => run(),
    close() {},
    lastSeq: () => lastSeq,
    takeSeq() {
      lastSeq += 1
      undo.push(() => {
        lastSeq -= 1
      })
      return lastSeq
    },
    log: (path) => logs.get(path),
    addLog(path, serialized) {
      logs.set(path, { id: entries.push([]), path, serialized })
      undo.push(() => {
        logs.delete(path)
        entries.pop()
      })
    },
    logPaths: (prefix) => [...logs.keys()].filter((path) => covers(prefix, path)).sort(),
    head: (logId) => entriesOf(logId).at(-1)?.seq ?? 0,
    page: (logId, afterSeq, uptoSeq) => pageOf(entriesOf(logId), afterSeq, uptoSeq),
    seqOfOp: (logId, opId) => entriesOf(logId).find((entry) => entry.opId === opId)?.seq,
    addEntry(logId, entry) {
      // As large as the log grows; it is a model, not a place for anybody's history.
      entriesOf(logId).push({ ...entry, data: new Uint8Array(entry.data) })
      undo.push(() => entriesOf(logId).pop())
    },
    grant: (id) => grants.get(id),
    addGrant(record) {
      grants.set(record.id, record)
      undo.push(() => grants.delete(record.id))
    },
    revokeGrant(id, seq) {
      const record = grants.get(id)
      if (!record || record.revokedSeq !== undefined) return
      grants.set(id, { ...record, revokedSeq: seq })
      undo.push(() => grants.set(id, record))
    },
  }
}

function pageOf(entries: readonly EntryRecord[], afterSeq: number, uptoSeq: number): EntryRecord[] {
  const page: EntryRecord[] = []
  let bytes = 0
  for (const entry of entries) {
    if (entry.seq <= afterSeq) continue
    if (entry.seq > uptoSeq || page.length >= limits.store.pageEntries || bytes >= limits.store.pageBytes) break
    bytes += entry.data.length
    page.push({ ...entry, data: new Uint8Array(entry.data) })
  }
  return page
}
