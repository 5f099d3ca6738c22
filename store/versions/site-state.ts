/** A site at one moment of its log: what its entries come to. Small: no lists of files. */

import { GroveError } from '../../core/errors.ts'
import type { BlobHash, VersionNumber } from '../../core/names.ts'
import type { BareRef, SegmentRef } from '../segments/segment.ts'
import type { Ts } from '../store.ts'
import { type Committed, type EntryOf, toVersionRecord } from './entry.ts'
import type { Pin, VersionRecord } from './versions.ts'

/** What is known of a site. */
export interface SiteState {
  /** The last entry that was read. */
  readonly head: Ts | undefined
  /** When that was written, by the clock of whoever wrote it; 0 before the first. */
  readonly headAtMs: number
  /** Entries since the last checkpoint, that one too. */
  readonly entries: number
  /** The number of the newest version that ever was; it survives a delete. */
  readonly lastVersion: VersionNumber
  readonly live: VersionRecord | undefined
  /** Oldest first. */
  readonly versions: readonly VersionRecord[]
  /** Sorted by name; some may have ended. */
  readonly pins: readonly Pin[]
  /** Oldest first. */
  readonly segments: readonly SegmentRef[]
  readonly bare: readonly BareRef[]
}

/** A site before its first entry. */
export const emptySite: SiteState = {
  head: undefined,
  headAtMs: 0,
  entries: 0,
  lastVersion: 0,
  live: undefined,
  versions: [],
  pins: [],
  segments: [],
  bare: [],
}

/** The site after one more entry. Throws `ERR_DATA_FORMAT` for an entry that cannot follow. */
export function afterEntry(state: SiteState, committed: Committed): SiteState {
  const { entry, ts } = committed
  const entries = entry.kind === 'merge' ? 1 : state.entries + 1
  return { ...apply(state, committed), head: ts, headAtMs: entry.atMs, entries }
}

function apply(state: SiteState, { entry, ts, writer }: Committed): SiteState {
  switch (entry.kind) {
    case 'publish':
      return afterPublish(state, { entry, ts, writer })
    case 'live':
      return { ...state, live: needVersion(state, entry.version, ts) }
    case 'delete':
      return { ...emptySite, lastVersion: state.lastVersion, entries: state.entries }
    case 'pin': {
      const { name, version, untilMs } = entry
      needVersion(state, version, ts)
      return { ...state, pins: withPin(state.pins, { name, version, untilMs }) }
    }
    case 'unpin':
      return { ...state, pins: state.pins.filter(({ name }) => name !== entry.name) }
    case 'pack':
      return afterPack(state, entry, ts)
    case 'merge':
      return stateOf(entry, ts)
  }
}

function afterPublish(state: SiteState, committed: Committed<EntryOf<'publish'>>): SiteState {
  const { entry, ts } = committed
  if (entry.version !== state.lastVersion + 1)
    throw new GroveError('ERR_DATA_FORMAT', `entry ${ts} makes version ${entry.version} after ${state.lastVersion}`)
  const live = toVersionRecord(committed)
  return {
    ...state,
    lastVersion: live.version,
    live,
    versions: [...state.versions, live],
    segments: addNew(state.segments, entry.segments),
    bare: addNew(state.bare, entry.bare),
  }
}

/** The same object may be written for two versions: then it is the same. */
function addNew<T extends { readonly id: BlobHash }>(old: readonly T[], added: readonly T[]): readonly T[] {
  const known = new Set(old.map(({ id }) => id))
  return [...old, ...added.filter(({ id }) => !known.has(id))]
}

function afterPack(state: SiteState, { segments, bare, drop }: EntryOf<'pack'>, ts: Ts): SiteState {
  const dropped = new Set(drop)
  const kept = state.segments.filter(({ id }) => !dropped.has(id))
  if (kept.length + dropped.size !== state.segments.length)
    throw new GroveError('ERR_DATA_FORMAT', `entry ${ts} takes the place of segments that are not there`)
  return { ...state, segments: addNew(kept, segments), bare: addNew(state.bare, bare) }
}

/** The state that a checkpoint tells. Throws `ERR_DATA_FORMAT` when it is none. */
export function stateOf(entry: Omit<EntryOf<'merge'>, 'kind' | 'format' | 'atMs'>, ts: Ts): SiteState {
  const versions = entry.versions.map(
    ({ ts: own, parent, ...record }): VersionRecord => ({ ...record, parent, ts: (own as Ts | undefined) ?? ts }),
  )
  for (const [index, { version }] of versions.entries())
    if (version > entry.lastVersion || version <= (versions[index - 1]?.version ?? 0))
      throw new GroveError('ERR_DATA_FORMAT', `entry ${ts} has version ${version} at a place where it cannot be`)
  const state = {
    head: ts,
    headAtMs: 0,
    entries: 0,
    lastVersion: entry.lastVersion,
    live: undefined,
    versions,
    pins: entry.pins.map(({ name, version, untilMs }) => ({ name, version, untilMs })),
    segments: entry.segments,
    bare: entry.bare,
  }
  for (const { version } of state.pins) needVersion(state, version, ts)
  return entry.live === undefined ? state : { ...state, live: needVersion(state, entry.live, ts) }
}

/** The entry that tells a state: a checkpoint. */
export function checkpointOf(state: SiteState, atMs: number): EntryOf<'merge'> {
  return { format: 2, kind: 'merge', atMs, ...plainState(state) }
}

/** A state as a checkpoint or a root tells it. */
export function plainState(state: SiteState): Omit<EntryOf<'merge'>, 'kind' | 'format' | 'atMs'> {
  const { lastVersion, live, versions, pins, segments, bare } = state
  return {
    lastVersion,
    live: live?.version,
    versions: [...versions],
    pins: pins.map((pin) => ({ ...pin })),
    segments: [...segments],
    bare: bare.map((ref) => ({ ...ref })),
  }
}

function withPin(pins: readonly Pin[], pin: Pin): readonly Pin[] {
  const others = pins.filter(({ name }) => name !== pin.name)
  return [...others, pin].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function needVersion(state: SiteState, wanted: VersionNumber, ts: Ts): VersionRecord {
  const found = state.versions.find(({ version }) => version === wanted)
  if (found) return found
  throw new GroveError('ERR_DATA_FORMAT', `entry ${ts} names version ${wanted}, which is not there`)
}
