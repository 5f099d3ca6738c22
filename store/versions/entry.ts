/**
 * What is written into a site's log, format 2: one JSON text for each entry.
 *
 * An entry that changes what the site serves lists what it changed, so whoever follows the log (purges, caches) needs no
 * old tree. A merge is a checkpoint: the whole state of the site, so that what lies before it can be forgotten.
 */

import { z } from 'zod'
import { GroveError } from '../../core/errors.ts'
import { blobHashSchema } from '../../core/names.ts'
import { bareRefSchema, segmentRefSchema } from '../segments/ref-schema.ts'
import type { Entry, Ts } from '../store.ts'
import type { TreeDifference } from '../trees/tree-file.ts'
import type { SiteChange, VersionRecord } from './versions.ts'

const number = z.int().positive()
const count = z.int().nonnegative()
const maybe = <T extends z.ZodType>(schema: T) => schema.or(z.undefined()).optional()

/** The schema of a pin. */
export const pinSchema = z.strictObject({ name: z.string(), version: number, untilMs: maybe(z.number()) })

/** The schema of a version in a checkpoint. Without `ts` it is of another store, and counts as made when it was taken over. */
export const recordSchema = z.strictObject({
  version: number,
  root: blobHashSchema,
  parent: maybe(number),
  message: z.string(),
  atMs: z.number(),
  ts: maybe(z.string()),
  writer: z.string(),
  files: count,
  bytes: count,
  added: count,
  changed: count,
  removed: count,
})

/** The whole state of a site, as a merge and a root tell it. */
export const stateFields = {
  /** The newest version that ever was. */
  lastVersion: count,
  /** The one that is live. */
  live: maybe(number),
  /** Oldest first. */
  versions: z.array(recordSchema),
  pins: z.array(pinSchema),
  segments: z.array(segmentRefSchema),
  bare: z.array(bareRefSchema),
}

const common = { format: z.literal(2), atMs: z.number() }

const change = {
  ...common,
  /** What is new or different on the live site: path, hash, bytes, and whether the path is new. Sorted by path. */
  put: z.array(z.tuple([z.string(), blobHashSchema, count, z.boolean()])),
  /** Paths that are gone from the live site. Sorted. */
  del: z.array(z.string()),
}

const entrySchema = z.discriminatedUnion('kind', [
  z.strictObject({
    ...change,
    kind: z.literal('publish'),
    version: number,
    /** The version that was live before. */
    parent: maybe(number),
    /** The root node of its tree. */
    root: blobHashSchema,
    message: z.string(),
    /** Of the whole tree. */
    files: count,
    bytes: count,
    /** Whether another publish came between and this one was put on top of it. */
    rebased: z.boolean(),
    /** What was written for it. */
    segments: z.array(segmentRefSchema),
    bare: z.array(bareRefSchema),
  }),
  z.strictObject({ ...change, kind: z.literal('live'), version: number }),
  z.strictObject({ ...change, kind: z.literal('delete') }),
  z.strictObject({ ...common, kind: z.literal('pin'), name: z.string(), version: number, untilMs: maybe(z.number()) }),
  z.strictObject({ ...common, kind: z.literal('unpin'), name: z.string() }),
  /** Some objects in place of others with the same contents, or of what was lost. */
  z.strictObject({
    ...common,
    kind: z.literal('pack'),
    segments: z.array(segmentRefSchema),
    bare: z.array(bareRefSchema),
    /** Ids of the segments whose place they take. */
    drop: z.array(blobHashSchema),
  }),
  z.strictObject({ ...common, ...stateFields, kind: z.literal('merge') }),
])

/** An entry of a site's log. */
export type VersionEntry = z.output<typeof entrySchema>

/** An entry of one kind. */
export type EntryOf<Kind extends VersionEntry['kind']> = Extract<VersionEntry, { kind: Kind }>

/** An entry that changes what the site serves. */
export type ChangeEntry = EntryOf<'publish' | 'live' | 'delete'>

/** An entry and when it was committed, under which grant. */
export interface Committed<E extends VersionEntry = VersionEntry> {
  readonly entry: E
  readonly ts: Ts
  readonly writer: string
}

/** The bytes of an entry. */
export function encodeEntry(entry: VersionEntry): Uint8Array {
  return Buffer.from(JSON.stringify(entry))
}

/** The meaning of an entry. Throws `ERR_DATA_FORMAT`. */
export function decodeEntry({ data, ts, writer }: Pick<Entry, 'data' | 'ts' | 'writer'>): Committed {
  try {
    return { entry: entrySchema.parse(JSON.parse(Buffer.from(data).toString('utf8'))), ts, writer }
  } catch (error) {
    throw new GroveError('ERR_DATA_FORMAT', `entry ${ts} of a versions log is not one of format 2`, { cause: error })
  }
}

/** The `put` and `del` of an entry. */
export function changeOf({ added, changed, removed }: TreeDifference): Pick<ChangeEntry, 'put' | 'del'> {
  const put = [
    ...added.map(({ path, hash, bytes }): ChangeEntry['put'][number] => [path, hash, bytes, true]),
    ...changed.map(({ path, hash, bytes }): ChangeEntry['put'][number] => [path, hash, bytes, false]),
  ]
  return { put: put.sort(([a], [b]) => (a < b ? -1 : 1)), del: removed.map(({ path }) => path) }
}

/** The change of what the site serves that an entry made; undefined for one that made none. */
export function toSiteChange({ entry, ts }: Pick<Committed, 'entry' | 'ts'>): SiteChange | undefined {
  if (entry.kind !== 'publish' && entry.kind !== 'live' && entry.kind !== 'delete') return undefined
  return {
    ts,
    kind: entry.kind,
    version: entry.kind === 'delete' ? undefined : entry.version,
    atMs: entry.atMs,
    added: entry.put.flatMap(([path, , , isNew]) => (isNew ? path : [])),
    changed: entry.put.flatMap(([path, , , isNew]) => (isNew ? [] : path)),
    removed: entry.del,
  }
}

/** The version that a publish made. */
export function toVersionRecord({ entry, ts, writer }: Committed<EntryOf<'publish'>>): VersionRecord {
  const { version, root, parent, message, atMs, files, bytes, put, del } = entry
  const added = put.reduce((sum, [, , , isNew]) => sum + (isNew ? 1 : 0), 0)
  const changed = put.length - added
  return { version, root, parent, message, atMs, ts, writer, files, bytes, added, changed, removed: del.length }
}
