/** Starting from a bucket: the sites that it has roots of, taken over by a store that knows nothing of them. */

import { isGroveError } from '../../core/errors.ts'
import { isSiteName, type SiteName } from '../../core/names.ts'
import { epochOf, objectKeys } from '../objects/keys.ts'
import type { Objects } from '../objects/objects.ts'
import type { Ts } from '../store.ts'
import { takeCatalog } from './catalog.ts'
import type { EntryOf } from './entry.ts'
import { openParts, type SiteVersionsOptions } from './open-versions.ts'
import { decodeRoot, type Root } from './root.ts'
import { versionsPath } from './site-log.ts'
import { stateOf } from './site-state.ts'

/** What a bucket says of an owner: which stores were in charge, and which sites can be taken over. */
export interface BucketState {
  /** Oldest first. */
  readonly epochs: readonly number[]
  /** Keyed by name: the keys of the sites' newest roots. */
  readonly sites: ReadonlyMap<SiteName, string>
}

/** Looks what a bucket says of an owner. One request for each thousand roots. */
export async function readBucket(objects: Objects, owner: string): Promise<BucketState> {
  const prefix = objectKeys.ownerRoots(owner)
  const epochs: number[] = []
  const sites = new Map<SiteName, string>()
  // Sorted by key, and so by epoch: the last one of a site is the newest.
  for await (const { key } of objects.list(objectKeys.owner(owner))) {
    if (key.startsWith(prefix)) {
      const name = key.slice(prefix.length).split('/')[0] ?? ''
      if (isSiteName(name)) sites.set(name, key)
    } else if (key.startsWith(objectKeys.epochs(owner))) {
      const epoch = epochOf(key)
      if (epoch !== undefined) epochs.push(epoch)
    }
  }
  return { epochs, sites }
}

/**
 * Takes a site over from its root: the first entry of its log says what the root does. Needs one request; contents come
 * when they are asked for. Answers false, and asks nothing, when the log says something already. `key`: of the root, see
 * {@link readBucket}. Throws `ERR_NOT_FOUND`, `ERR_DATA_FORMAT`, `ERR_BLOB_CORRUPT`, `ERR_KEY_MISSING`,
 * `ERR_OBJECTS`; then nothing was written.
 */
export async function restoreSite(options: SiteVersionsOptions, key: string): Promise<boolean> {
  const { objects, keyring, owner, name, env, blobs } = options
  if (await hasEntries(options)) return false
  const root = decodeRoot(keyring, { owner, site: name, key }, await objects.read(key))
  const entry = firstEntry(root, env.now())
  await takeCatalog(root, blobs.memory, env)
  const { log } = await openParts(options)
  try {
    const done = await log.change({}, async () => (log.state.head === undefined ? { entry } : undefined))
    return done !== undefined
  } finally {
    await log.close()
  }
}

/** Whether there is a log of the site that says something. */
async function hasEntries({ store, handle, owner, name }: SiteVersionsOptions): Promise<boolean> {
  try {
    return (await store.stat(handle, versionsPath(owner, name))).head !== undefined
  } catch (error) {
    if (isGroveError(error, 'ERR_NOT_FOUND')) return false
    throw error
  }
}

/** A checkpoint of what a root says. Moments of the store that wrote it mean nothing here, so they are left out. */
function firstEntry({ lastVersion, live, pins, segments, bare, ...root }: Root, atMs: number): EntryOf<'merge'> {
  const versions = root.versions.map(({ ts: _, ...record }) => record)
  const entry = { format: 2, kind: 'merge', atMs, lastVersion, live, versions, pins, segments, bare } as const
  stateOf(entry, root.head as Ts) // Throws when it is not the state of a site.
  return entry
}
