/** What a journal of records adds up to: the state of one store, changed by one {@link Change} after the other. */

import type { EntryRecord, GrantRecord, KeyRecord, LogRecord } from '../../../store/logs/records.ts'
import { covers } from '../../../store/logs/store-path.ts'

/** One change, as it stands in the journal: plain JSON. */
export type Change =
  | { readonly kind: 'store'; readonly id: string }
  | { readonly kind: 'epoch' }
  | { readonly kind: 'seq' }
  | { readonly kind: 'key'; readonly kid: string; readonly key: string; readonly madeAtMs: number }
  | { readonly kind: 'unkey'; readonly kid: string }
  | { readonly kind: 'log'; readonly path: string; readonly serialized: boolean }
  | { readonly kind: 'entry'; readonly log: number; readonly entry: Omit<EntryRecord, 'data'>; readonly data: string }
  | { readonly kind: 'trim'; readonly log: number; readonly from: number; readonly to: number; readonly cover: number }
  | { readonly kind: 'grant'; readonly record: GrantRecord }
  | { readonly kind: 'use'; readonly id: string; readonly bytes: number; readonly writes: number }
  | { readonly kind: 'revoke'; readonly id: string; readonly seq: number }

/** The state of one store. Only {@link applyChange} changes it. */
export interface JournalState {
  storeId: string
  epoch: number
  lastSeq: number
  keys: KeyRecord[]
  /** Keyed by path. */
  readonly logs: Map<string, LogRecord>
  /** Keyed by log id; each oldest first. */
  readonly entries: Map<number, EntryRecord[]>
  /** Moments of operations, also of trimmed ones. Keyed by log id and operation id, with a space between. */
  readonly operations: Map<string, number>
  readonly grants: Map<string, GrantRecord>
}

/** The state before the first change. */
export function emptyState(): JournalState {
  return {
    storeId: '',
    epoch: 0,
    lastSeq: 0,
    keys: [],
    logs: new Map(),
    entries: new Map(),
    operations: new Map(),
    grants: new Map(),
  }
}

const anonymous = { opId: undefined }
const absent = { maxBytes: undefined, maxWrites: undefined, revokedSeq: undefined }

/** Makes one change. */
export function applyChange(state: JournalState, change: Change): void {
  switch (change.kind) {
    case 'store':
      state.storeId = change.id
      return
    case 'epoch':
      state.epoch += 1
      return
    case 'seq':
      state.lastSeq += 1
      return
    case 'key':
      state.keys = [...state.keys, { kid: change.kid, key: Buffer.from(change.key, 'hex'), madeAtMs: change.madeAtMs }]
      return
    case 'unkey':
      state.keys = state.keys.filter(({ kid }) => kid !== change.kid)
      return
    case 'log':
      addLog(state, change.path, change.serialized)
      return
    case 'entry':
      addEntry(state, change.log, { ...anonymous, ...change.entry, data: Buffer.from(change.data, 'base64') })
      return
    case 'trim':
      trim(state, change)
      return
    case 'grant':
      // JSON has no undefined: the properties are there all the same.
      state.grants.set(change.record.id, { ...absent, ...change.record })
      return
    case 'use':
      changeGrant(state, change.id, ({ usedBytes, usedWrites }) => ({
        usedBytes: usedBytes + change.bytes,
        usedWrites: usedWrites + change.writes,
      }))
      return
    case 'revoke':
      changeGrant(state, change.id, ({ revokedSeq }) => ({ revokedSeq: revokedSeq ?? change.seq }))
      return
  }
}

/** The grants under a path, newest first. */
export function grantsUnder(state: JournalState, prefix: string, most: number): GrantRecord[] {
  return [...state.grants.values()]
    .filter(({ path }) => covers(prefix, path))
    .reverse()
    .slice(0, most)
}

function addLog(state: JournalState, path: string, serialized: boolean): void {
  const id = state.logs.size + 1
  state.logs.set(path, { id, path, serialized, trimmedSeq: 0, coverSeq: 0 })
  state.entries.set(id, [])
}

function addEntry(state: JournalState, log: number, entry: EntryRecord): void {
  state.entries.get(log)?.push(entry)
  if (entry.opId !== undefined) state.operations.set(`${log} ${entry.opId}`, entry.seq)
}

function trim(state: JournalState, { log, from, to, cover }: Extract<Change, { kind: 'trim' }>): void {
  const entries = state.entries.get(log) ?? []
  const gone = entries.filter(({ seq }) => seq >= from && seq < to)
  const newest = gone.at(-1)?.seq ?? 0
  state.entries.set(
    log,
    entries.filter((entry) => !gone.includes(entry)),
  )
  for (const [path, record] of state.logs) {
    if (record.id !== log) continue
    const trimmedSeq = Math.max(record.trimmedSeq, newest)
    state.logs.set(path, { ...record, trimmedSeq, coverSeq: cover })
  }
}

function changeGrant(state: JournalState, id: string, changed: (record: GrantRecord) => Partial<GrantRecord>): void {
  const record = state.grants.get(id)
  if (record) state.grants.set(id, { ...record, ...changed(record) })
}
