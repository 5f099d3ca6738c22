/**
 * What is written into a site's log, one JSON text per entry, and what becomes of a site by it.
 *
 * An entry lists what it changed on the live site, so whoever follows the log (purges, caches) needs no old tree, and
 * can be told of a deletion after the blobs are gone.
 */

import { z } from 'zod'
import { GroveError } from '../core/errors.ts'
import { type BlobHash, blobHashSchema, type VersionNumber } from '../core/names.ts'
import type { Entry, Ts } from './store.ts'
import { diffTrees, type TreeFile } from './tree.ts'

const number = z.int().positive()
const count = z.int().nonnegative()

const change = {
  format: z.literal(1),
  /** What is new or different on the live site: path, hash, bytes, and whether the path is new. Sorted by path. */
  put: z.array(z.tuple([z.string(), blobHashSchema, count, z.boolean()])),
  /** Paths that are gone from the live site. Sorted. */
  del: z.array(z.string()),
  atMs: z.number(),
}

const entrySchema = z.discriminatedUnion('kind', [
  z.strictObject({
    ...change,
    kind: z.literal('publish'),
    version: number,
    /** The version that was live before. */
    parent: number.or(z.undefined()).optional(),
    /** The hash of the tree's blob. */
    root: blobHashSchema,
    message: z.string(),
    files: count,
    bytes: count,
  }),
  z.strictObject({ ...change, kind: z.literal('live'), version: number }),
  z.strictObject({ ...change, kind: z.literal('delete') }),
])

/** An entry of a site's log. */
export type VersionEntry = z.output<typeof entrySchema>

/** One version, as its publish was recorded. */
export interface VersionRecord {
  readonly version: VersionNumber
  /** The blob that holds its tree. */
  readonly root: BlobHash
  /** The version that was live before it. */
  readonly parent: VersionNumber | undefined
  readonly message: string
  readonly atMs: number
  readonly ts: Ts
  readonly files: number
  readonly bytes: number
  readonly added: number
  readonly changed: number
  readonly removed: number
}

/** A change of what a site serves. */
export interface SiteChange {
  readonly ts: Ts
  readonly kind: 'publish' | 'live' | 'delete'
  /** The version that is live after it; undefined after a delete. */
  readonly version: VersionNumber | undefined
  readonly atMs: number
  /** Paths, sorted. */
  readonly added: string[]
  readonly changed: string[]
  readonly removed: string[]
}

/** A site at one moment of its log. */
export interface SiteState {
  /** The last entry that was read. */
  readonly head: Ts | undefined
  /** The number of the newest version that ever was; it survives a delete. */
  readonly lastVersion: VersionNumber
  readonly live: VersionRecord | undefined
  /** Oldest first. */
  readonly versions: readonly VersionRecord[]
}

/** A site before its first entry. */
export const emptySite: SiteState = { head: undefined, lastVersion: 0, live: undefined, versions: [] }

/** The `put` and `del` of a change from one tree to another. */
export function changeOf(before: readonly TreeFile[], after: readonly TreeFile[]): Pick<VersionEntry, 'put' | 'del'> {
  const { added, changed, removed } = diffTrees(before, after)
  const news = new Set(added)
  const touched = new Set([...added, ...changed])
  const put = after
    .filter(({ path }) => touched.has(path))
    .map(({ path, hash, bytes }): VersionEntry['put'][number] => [path, hash, bytes, news.has(path)])
  return { put: put.sort(([a], [b]) => (a < b ? -1 : 1)), del: removed }
}

/** The bytes of an entry. */
export function encodeEntry(entry: VersionEntry): Uint8Array {
  return Buffer.from(JSON.stringify(entry))
}

/** The meaning of an entry's bytes. Throws `ERR_DATA_FORMAT`. */
export function decodeEntry({ data, ts }: Entry): VersionEntry {
  try {
    return entrySchema.parse(JSON.parse(Buffer.from(data).toString('utf8')))
  } catch (error) {
    throw new GroveError('ERR_DATA_FORMAT', `entry ${ts} of a versions log is not one of this format`, { cause: error })
  }
}

/** The change that an entry made. */
export function toSiteChange(entry: VersionEntry, ts: Ts): SiteChange {
  return {
    ts,
    kind: entry.kind,
    version: entry.kind === 'delete' ? undefined : entry.version,
    atMs: entry.atMs,
    added: entry.put.filter(([, , , isNew]) => isNew).map(([path]) => path),
    changed: entry.put.filter(([, , , isNew]) => !isNew).map(([path]) => path),
    removed: entry.del,
  }
}

/** The version that a publish made. */
export function toVersionRecord(entry: VersionEntry & { kind: 'publish' }, ts: Ts): VersionRecord {
  const added = entry.put.filter(([, , , isNew]) => isNew).length
  return {
    version: entry.version,
    root: entry.root,
    parent: entry.parent,
    message: entry.message,
    atMs: entry.atMs,
    ts,
    files: entry.files,
    bytes: entry.bytes,
    added,
    changed: entry.put.length - added,
    removed: entry.del.length,
  }
}

/** The site after one more entry. Throws `ERR_DATA_FORMAT` for an entry that cannot follow. */
export function afterEntry(state: SiteState, entry: VersionEntry, ts: Ts): SiteState {
  switch (entry.kind) {
    case 'publish': {
      if (entry.version !== state.lastVersion + 1)
        throw new GroveError('ERR_DATA_FORMAT', `entry ${ts} makes version ${entry.version} after ${state.lastVersion}`)
      const live = toVersionRecord(entry, ts)
      return { head: ts, lastVersion: live.version, live, versions: [...state.versions, live] }
    }
    case 'live': {
      const live = state.versions.find(({ version }) => version === entry.version)
      if (!live)
        throw new GroveError('ERR_DATA_FORMAT', `entry ${ts} makes version ${entry.version} live, which is not there`)
      return { ...state, head: ts, live }
    }
    case 'delete':
      return { ...state, head: ts, live: undefined, versions: [] }
  }
}
