/**
 * Collecting objects that no log names any more. Two phases: an object has to be found without a use twice, a day apart,
 * so whoever reads an old version, or publishes something equal, is done or has reserved it by then.
 *
 * What speaks against a removal is looked for after the object was taken out of everybody's reach: publishes that want
 * it wait, and what was committed until then is in the log. So nothing comes between the look and the removal.
 */

import { limits } from '../../core/limits.ts'
import { type BlobHash, isBlobHash, isSiteName, type SiteName } from '../../core/names.ts'
import { toDiskError } from '../disk-error.ts'
import type { Environment } from '../environment.ts'
import type { Objects } from '../objects/objects.ts'
import type { Blobs } from './blobs.ts'
import { readNotes, writeNotes } from './collect-notes.ts'

/** What a collection is made with. */
export interface CollectOptions {
  readonly env: Environment
  readonly objects: Objects
  readonly blobs: Blobs
  readonly owner: string
  /**
   * The ids of all objects that a site's log names at the moment of the call. Undefined when nothing is known of the
   * site, as on a machine that has not taken it over yet: then its objects stay.
   */
  readonly namedBy: (site: SiteName) => Promise<ReadonlySet<BlobHash> | undefined>
  /** Rejects when somebody else is in charge of the objects: then nothing is removed. */
  readonly check?: () => Promise<void>
  /** @default limits.store.collectGraceMs */
  readonly graceMs?: number
  readonly signal?: AbortSignal
  /** Told how many objects were looked at, and how many bytes were removed. */
  readonly onProgress?: (objects: number, removedBytes: number) => void
}

/** What a collection did. */
export interface Collected {
  /** Objects that were looked at. */
  readonly objects: number
  /** Those of them without a use, which are removed when they are found so again. */
  readonly waiting: number
  readonly removed: number
  readonly removedBytes: number
}

/** An object of a site. */
interface Found {
  readonly key: string
  readonly id: BlobHash
  readonly bytes: number
}

/** Objects of one site that are looked at together. */
const batchObjects = 10_000

/** Goes through all segments and large contents of an owner once. Stops early, and well, when `signal` aborts. */
export async function collectObjects(options: CollectOptions): Promise<Collected> {
  const { env, objects, blobs, owner, signal } = options
  const before = await readNotes(env, blobs.layout.unreferenced)
  /** Keyed by object: when it was found without a use first. */
  const notes = new Map<string, number>()
  const done = { objects: 0, waiting: 0, removed: 0, removedBytes: 0 }
  await options.check?.()
  for (const prefix of [`${owner}/seg/`, `${owner}/big/`]) {
    for await (const { site, found } of batches(objects, prefix)) {
      if (signal?.aborted) return done
      done.objects += found.length
      const { removed, removedBytes } = await collectSite(options, site, found, { before, notes })
      done.removed += removed
      done.removedBytes += removedBytes
      options.onProgress?.(done.objects, done.removedBytes)
      await env.turn()
    }
  }
  done.waiting = notes.size
  await writeNotes(env, blobs.layout, notes).catch((error: unknown) => {
    throw toDiskError('note objects without a use', error)
  })
  return done
}

/** The notes of the last collection and of this one. */
interface Notes {
  readonly before: ReadonlyMap<string, number>
  readonly notes: Map<string, number>
}

async function collectSite(
  options: CollectOptions,
  site: SiteName,
  found: readonly Found[],
  { before, notes }: Notes,
): Promise<{ removed: number; removedBytes: number }> {
  const { env, objects, blobs, namedBy, graceMs = limits.store.collectGraceMs } = options
  const nothing = { removed: 0, removedBytes: 0 }
  const named = await namedBy(site)
  if (!named) return nothing
  const unnamed = found.filter(({ id }) => !named.has(id))
  if (unnamed.length === 0) return nothing
  const keys = unnamed.map(({ key }) => key)
  return blobs.reservations.withUnreserved(keys, async (free) => {
    // What was committed since the first look is in the log by now; what comes later has to wait for its reservation.
    const namedNow = await namedBy(site)
    if (!namedNow) return nothing
    const isFree = new Set(free)
    const due: Found[] = []
    for (const one of unnamed) {
      if (!isFree.has(one.key) || namedNow.has(one.id)) continue
      const nowMs = env.now()
      const sinceMs = before.get(one.key)
      if (sinceMs !== undefined && nowMs - sinceMs >= graceMs) due.push(one)
      // A clock that was set back makes an object wait anew, not for ever.
      else if (notes.size < limits.store.collectNoted) notes.set(one.key, Math.min(sinceMs ?? nowMs, nowMs))
    }
    if (due.length === 0) return nothing
    await options.check?.()
    await objects.remove(due.map(({ key }) => key))
    return { removed: due.length, removedBytes: due.reduce((sum, { bytes }) => sum + bytes, 0) }
  })
}

/** The objects under a prefix, some of one site at a time. */
async function* batches(
  objects: Objects,
  prefix: string,
): AsyncGenerator<{ readonly site: SiteName; readonly found: readonly Found[] }> {
  let site: SiteName | undefined
  let found: Found[] = []
  for await (const { key, bytes } of objects.list(prefix)) {
    const [name = '', id = '', ...more] = key.slice(prefix.length).split('/')
    if (!isSiteName(name) || !isBlobHash(id) || more.length > 0) continue
    if (site !== undefined && (site !== name || found.length >= batchObjects)) {
      yield { site, found }
      found = []
    }
    site = name
    found.push({ key, id, bytes })
  }
  if (site !== undefined) yield { site, found }
}
