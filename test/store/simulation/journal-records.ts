/**
 * Records of a store on a simulated disk: a journal with checksums, where a commit is one frame and one sync.
 *
 * It stands for what SQLite promises (WAL, synchronous=FULL): a commit that returned is there after any power failure,
 * one that failed is there whole or not at all, and after a failed sync nothing more is taken until the file is opened
 * again. SQLite's own code is not run in the simulation; that it keeps its promise is shown by the tests with the real
 * driver and real processes, and for power failures by SQLite's own.
 */

import { dirname } from 'node:path'
import { GroveError } from '../../../core/errors.ts'
import type { EntryRecord, Records } from '../../../store/logs/records.ts'
import { covers } from '../../../store/logs/store-path.ts'
import { type Disk, PowerLoss } from './disk.ts'
import { type CommitSteps, openJournalFile } from './journal-file.ts'
import { applyChange, type Change, emptyState, grantsUnder, type JournalState } from './journal-state.ts'

/** Entries of one page: few, so that short logs have several pages. */
export const pageEntries = 4

/** How records are opened. */
export interface JournalOptions {
  readonly randomBytes: (count: number) => Buffer
  readonly now: () => number
  /** Another way to commit, for a planted fault. @default the disk's own */
  readonly steps?: CommitSteps
}

/** Opens the records in a file, and makes them when there are none. Throws `ERR_DATA_IO`. */
export function openJournalRecords(disk: Disk, file: string, options: JournalOptions): Records {
  const inode = onDisk('open', () => {
    const found = disk.has(file) ? disk.file(file) : disk.create(file)
    // Also of a file that is there: the one who made it may have ended before its name was durable.
    const steps = options.steps ?? disk
    steps.syncFolder(dirname(file))
    return found
  })
  const journal = openJournalFile(disk, inode, options.steps)
  let state = emptyState()
  const frames: (readonly Change[])[] = []
  let changes: Change[] | undefined

  /** Makes a change in the running transaction. */
  function change(one: Change): void {
    if (!changes) throw new Error(`${one.kind} outside of a transaction`)
    changes.push(one)
    applyChange(state, one)
  }

  function refresh(): void {
    if (journal.uncertain) throw new GroveError('ERR_DATA_IO', 'store has stopped after a failed commit')
    for (const frame of onDisk('read', journal.catchUp)) {
      frames.push(frame)
      for (const one of frame) applyChange(state, one)
    }
  }

  function transact<T>(run: () => T): T {
    refresh()
    changes = []
    try {
      const result = run()
      const made = changes
      if (made.length > 0) onDisk('commit', () => journal.append(made))
      frames.push(made)
      return result
    } catch (error) {
      if (changes.length > 0) state = stateOf(frames)
      throw error
    } finally {
      changes = undefined
    }
  }

  refresh()
  if (state.storeId === '')
    transact(() => {
      change({ kind: 'store', id: options.randomBytes(8).toString('hex') })
      change({ kind: 'key', kid: '1', key: options.randomBytes(32).toString('hex'), madeAtMs: options.now() })
    })

  const entriesOf = (logId: number) => state.entries.get(logId) ?? []
  return {
    storeId: state.storeId,
    transact,
    read(run) {
      refresh()
      return run()
    },
    close() {},
    copyTo: (copy) => onDisk('copy', () => copyFrames(disk, copy, frames)),
    takeEpoch() {
      change({ kind: 'epoch' })
      return state.epoch
    },
    epoch: () => state.epoch,
    lastSeq: () => state.lastSeq,
    takeSeq() {
      change({ kind: 'seq' })
      return state.lastSeq
    },
    keys: () => state.keys,
    addKey: ({ kid, key, madeAtMs }) => change({ kind: 'key', kid, key: Buffer.from(key).toString('hex'), madeAtMs }),
    removeKey: (kid) => change({ kind: 'unkey', kid }),
    log: (path) => state.logs.get(path),
    addLog: (path, serialized) => change({ kind: 'log', path, serialized }),
    logPaths: (prefix) => [...state.logs.keys()].filter((path) => covers(prefix, path)).sort(),
    head: (logId) => entriesOf(logId).at(-1)?.seq ?? 0,
    extent: (logId) => ({
      oldest: entriesOf(logId)[0]?.seq ?? 0,
      entries: entriesOf(logId).length,
      bytes: entriesOf(logId).reduce((sum, { data }) => sum + data.length, 0),
    }),
    entry: (logId, seq) =>
      entriesOf(logId)
        .filter((entry) => entry.seq === seq)
        .map(copyOf)[0],
    page: (logId, after, upto) =>
      entriesOf(logId)
        .filter(({ seq }) => seq > after && seq <= upto)
        .slice(0, pageEntries)
        .map(copyOf),
    seqOfOp: (logId, opId) => state.operations.get(`${logId} ${opId}`),
    addEntry: (logId, { data, ...entry }) =>
      change({ kind: 'entry', log: logId, entry, data: Buffer.from(data).toString('base64') }),
    trim: (log, from, to, cover) => change({ kind: 'trim', log, from, to, cover }),
    grant: (id) => state.grants.get(id),
    grants: (prefix, most) => grantsUnder(state, prefix, most),
    children: (id) => [...state.grants.values()].filter(({ parent }) => parent === id).map((grant) => grant.id),
    addGrant: (record) => change({ kind: 'grant', record }),
    useGrant: (id, bytes, writes) => change({ kind: 'use', id, bytes, writes }),
    revokeGrant: (id, seq) => change({ kind: 'revoke', id, seq }),
  }
}

function stateOf(frames: readonly (readonly Change[])[]): JournalState {
  const state = emptyState()
  for (const frame of frames) for (const change of frame) applyChange(state, change)
  return state
}

function copyOf(entry: EntryRecord): EntryRecord {
  return { ...entry, data: new Uint8Array(entry.data) }
}

function copyFrames(disk: Disk, file: string, frames: readonly (readonly Change[])[]): void {
  const inode = disk.create(file)
  const journal = openJournalFile(disk, inode)
  for (const frame of frames) if (frame.length > 0) journal.append(frame)
  disk.syncFolder(dirname(file))
}

/** An error of the disk as `ERR_DATA_IO`, as the real driver makes it. */
function onDisk<T>(what: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    if (error instanceof PowerLoss || error instanceof GroveError) throw error
    throw new GroveError('ERR_DATA_IO', `cannot ${what} the journal: ${(error as Error).message}`, { cause: error })
  }
}
