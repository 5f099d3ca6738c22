/** A site's log: what it says, folded into the site's state, and the one way to write to it. */

import { createHash } from 'node:crypto'
import { GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { VersionNumber } from '../core/names.ts'
import type { Blobs } from './blobs.ts'
import { openOwnLog } from './logs/own-log.ts'
import { justBefore } from './logs/timestamp.ts'
import type { Handle, Log, Store, Ts } from './store.ts'
import { decodeTree, encodeTree, type TreeFile } from './tree.ts'
import {
  afterEntry,
  decodeEntry,
  emptySite,
  encodeEntry,
  type SiteChange,
  type SiteState,
  toSiteChange,
  type VersionEntry,
  type VersionRecord,
} from './version-entry.ts'

/** An entry and when it was committed. */
export interface Committed<Entry extends VersionEntry = VersionEntry> {
  readonly entry: Entry
  readonly ts: Ts
}

/** A site's open log. `refresh` and `change` are not to run two at once. */
export interface SiteLog {
  /** As of the last `refresh` or `change`. */
  readonly state: SiteState
  /** Takes in what was written since. */
  refresh(): Promise<void>
  /**
   * Writes the entry that `build` makes of the newest state, and builds anew when another one came between. Answers
   * the first entry when the operation has happened before, and undefined when `build` finds nothing to do.
   */
  change(opId: string | undefined, build: () => Promise<VersionEntry | undefined>): Promise<Committed | undefined>
  /** The record of a version. Throws `ERR_VERSION_UNKNOWN`. */
  versionOf(version: VersionNumber): VersionRecord
  /** The files of a version; none for none. */
  treeOf(record: VersionRecord | undefined): Promise<TreeFile[]>
  /** What changed after a moment, oldest first. */
  changes(after: Ts | undefined): Promise<SiteChange[]>
  close(): Promise<void>
}

/** Opens a site's log and makes it when it is not there. */
export async function openSiteLog(store: Store, handle: Handle, blobs: Blobs, path: string): Promise<SiteLog> {
  const log = await openOwnLog(store, handle, path, { serialized: true })
  let state: SiteState = emptySite

  async function refresh(): Promise<void> {
    for await (const entry of log.read(state.head === undefined ? {} : { after: state.head }))
      state = afterEntry(state, decodeEntry(entry), entry.ts)
  }

  return {
    get state() {
      return state
    },
    refresh,
    async change(opId, build) {
      for (let attempt = 0; ; attempt += 1) {
        await refresh()
        const first = opId === undefined ? undefined : await store.lookup(handle, path, opId)
        if (first !== undefined) return entryAt(log, first)
        const entry = await build()
        if (!entry) return undefined
        try {
          const ts = await log.write(encodeEntry(entry), { expect: state.head, ...(opId !== undefined && { opId }) })
          // Read back rather than assumed: had the same operation come by another way just now, `ts` is that one's.
          await refresh()
          return await entryAt(log, ts)
        } catch (error) {
          if (!isGroveError(error, 'ERR_CONFLICT') || attempt >= limits.store.conflictRetries) throw error
        }
      }
    },
    versionOf(version) {
      const record = state.versions.find((candidate) => candidate.version === version)
      if (record) return record
      const name = path.split('/').at(-2)
      throw new GroveError('ERR_VERSION_UNKNOWN', `${name} has no version ${version}`, {
        hint: `grove site versions ${name} shows all`,
      })
    },
    async treeOf(record) {
      if (!record) return []
      try {
        return decodeTree(await blobs.read(record.root))
      } catch (error) {
        if (isGroveError(error, 'ERR_BLOB_MISSING') || isGroveError(error, 'ERR_BLOB_CORRUPT'))
          return rebuildTree(log, record, error)
        throw error
      }
    },
    async changes(after) {
      const changes: SiteChange[] = []
      for await (const entry of log.read(after === undefined ? {} : { after }))
        changes.push(toSiteChange(decodeEntry(entry), entry.ts))
      return changes
    },
    close: () => log.close(),
  }
}

/** The entry that was committed at a moment. Throws `ERR_NOT_FOUND`. */
async function entryAt(log: Log, ts: Ts): Promise<Committed> {
  for await (const entry of log.read({ after: justBefore(ts), upto: ts })) return { entry: decodeEntry(entry), ts }
  throw new GroveError('ERR_NOT_FOUND', `${log.path} has no entry ${ts}`)
}

/**
 * The tree of a version from what the log says was put and deleted: for the case that its blob is lost. Throws `why`
 * when that does not come to the tree that was published.
 */
async function rebuildTree(log: Log, record: VersionRecord, why: unknown): Promise<TreeFile[]> {
  /** Keyed by path: the live tree, followed through all changes until the version's own. */
  const files = new Map<string, TreeFile>()
  for await (const entry of log.read({ upto: record.ts })) {
    const { put, del } = decodeEntry(entry)
    for (const path of del) files.delete(path)
    for (const [path, hash, bytes] of put) files.set(path, { path, hash, bytes })
  }
  const tree = [...files.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
  if (createHash('sha256').update(encodeTree(tree)).digest('hex') !== record.root) throw why
  return tree
}
