/** Collecting what an owner's sites do not need any more: objects, roots, tails, and contents that nobody published. */

import { join } from 'node:path'
import { isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { type BlobHash, isBlobHash, isSiteName, type SiteName } from '../../core/names.ts'
import { type Collected, type CollectOptions as ContentsCollectOptions, collectObjects } from '../contents/collect.ts'
import { epochOf, objectKeys } from '../objects/keys.ts'
import type { ObjectInfo } from '../objects/objects.ts'
import type { Epoch } from './epoch.ts'
import { openSiteVersions, type SiteVersionsOptions } from './open-versions.ts'
import { openSiteLog, versionsPath } from './site-log.ts'
import type { SiteState } from './site-state.ts'

/** What a collection is made with: what sites are opened with, and how it ends. */
export type CollectOptions = Omit<SiteVersionsOptions, 'name'> & {
  readonly signal?: AbortSignal
  /** @default limits.store.collectGraceMs */
  readonly graceMs?: number
  /** See collectObjects in ../contents/collect.ts. */
  readonly onProgress?: ContentsCollectOptions['onProgress']
}

/** What a collection did. */
export interface CollectedAll extends Collected {
  /** Contents that were sent and not published in a day. */
  readonly uploads: number
  /** Checkpoints in the bucket that were written anew, as a process had ended before it could. */
  readonly roots: number
  /** Sites at rest whose small segments were merged. */
  readonly compacted: number
}

/**
 * Goes through an owner's objects once and removes what has long had no use. May run while sites are published, pruned
 * and read. Throws `ERR_FENCED` when another store is in charge of the bucket, `ERR_OBJECTS`, `ERR_DATA_IO`.
 */
export async function collect(options: CollectOptions): Promise<CollectedAll> {
  const { env, objects, blobs, owner, epoch, signal, graceMs } = options
  const named = new Set<BlobHash>()
  const crowded = new Set<SiteName>()
  // First of all: what is removed below may be what an old root still leads an empty machine to.
  const roots = epoch && !signal?.aborted ? await tendRoots(options, epoch) : 0
  const collected = await collectObjects({
    env,
    objects,
    blobs,
    owner,
    ...(epoch && { check: epoch.check }),
    ...(signal && { signal }),
    ...(graceMs !== undefined && { graceMs }),
    ...(options.onProgress && { onProgress: options.onProgress }),
    async namedBy(site) {
      const state = await stateOf(options, site)
      if (!state) return undefined
      const ids = new Set([...state.segments, ...state.bare].map(({ id }) => id))
      for (const id of ids) named.add(id)
      const isAtRest = env.now() - state.headAtMs > limits.store.restMs
      if (isAtRest && state.segments.length > limits.store.segments) crowded.add(site)
      return ids
    },
  })
  let compacted = 0
  for (const name of crowded) {
    if (signal?.aborted) break
    await using versions = await openSiteVersions({ ...options, name })
    if (await versions.compact()) compacted += 1
  }
  if (objects.isRemote && !signal?.aborted) await removeTails(options, named)
  const { files } = await blobs.removeUploads(limits.store.uploadKeptMs, signal)
  return { ...collected, uploads: files, roots, compacted }
}

/** What a site's log says now; undefined where there is no log, or nothing in it. */
async function stateOf({ store, handle, owner }: CollectOptions, name: SiteName): Promise<SiteState | undefined> {
  try {
    await store.stat(handle, versionsPath(owner, name))
  } catch (error) {
    if (isGroveError(error, 'ERR_NOT_FOUND')) return undefined
    throw error
  }
  const log = await openSiteLog(store, handle, { owner, name })
  try {
    await log.refresh()
    return log.state.head === undefined ? undefined : log.state
  } finally {
    await log.close()
  }
}

/** Removes roots of deleted sites and of old epochs, and writes those anew that may be older than their site. */
async function tendRoots(options: CollectOptions, epoch: Epoch): Promise<number> {
  const { objects, owner, signal } = options
  await epoch.check()
  let written = 0
  for await (const [site, roots] of rootsBySite(options)) {
    if (signal?.aborted) return written
    const state = await stateOf(options, site)
    if (!state) continue
    const newest = roots.at(-1)
    const old = (state.live ? roots.slice(0, -1) : roots).map(({ key }) => key)
    // A newer store may have taken over since the look above: what it has written stays.
    const gone = old.filter((key) => (epochOf(key) ?? 0) <= epoch.number)
    if (gone.length > 0) await objects.remove(gone)
    // Whoever changed the site may have taken a while, the bucket's clock may be ahead of ours: being newer by a little
    // proves nothing, and one root too many costs nothing.
    if (!state.live || !newest || newest.modifiedMs >= state.headAtMs + limits.store.rootMarginMs) continue
    await using versions = await openSiteVersions({ ...options, owner, name: site })
    await versions.checkpoint()
    written += 1
  }
  return written
}

/** The roots of each site, those of older epochs first. */
async function* rootsBySite({
  objects,
  owner,
}: CollectOptions): AsyncGenerator<readonly [site: SiteName, roots: readonly ObjectInfo[]]> {
  const prefix = objectKeys.ownerRoots(owner)
  let site: SiteName | undefined
  let roots: ObjectInfo[] = []
  for await (const info of objects.list(prefix)) {
    const name = info.key.slice(prefix.length).split('/')[0] ?? ''
    if (!isSiteName(name)) continue
    if (site !== undefined && site !== name) {
      yield [site, roots]
      roots = []
    }
    site = name
    roots.push(info)
  }
  if (site !== undefined) yield [site, roots]
}

/** Removes local copies of tails that no site has read for long, or needs. */
async function removeTails({ env, blobs, graceMs }: CollectOptions, named: ReadonlySet<BlobHash>): Promise<void> {
  const folder = blobs.layout.tails
  for (const name of await env.files.list(folder)) {
    if (!isBlobHash(name) || named.has(name)) continue
    const found = await env.files.stat(join(folder, name))
    if (found && env.now() - found.modifiedMs >= (graceMs ?? limits.store.collectGraceMs))
      await env.files.remove(join(folder, name))
  }
}
