/** Opens a whole store with its sites on a simulated machine, as control does. */

import { takeBucket } from '../../../../control/take-bucket.ts'
import { layoutOf } from '../../../../core/layout.ts'
import { type Blobs, openBlobs } from '../../../../store/contents/blobs.ts'
import { folderObjects } from '../../../../store/objects/folder-objects.ts'
import type { Objects } from '../../../../store/objects/objects.ts'
import { type Keyring, openKeyring } from '../../../../store/segments/keyring.ts'
import type { Store } from '../../../../store/store.ts'
import { openSiteVersions, type SiteVersionsOptions } from '../../../../store/versions/open-versions.ts'
import { restoreSite } from '../../../../store/versions/restore.ts'
import type { SiteVersions } from '../../../../store/versions/versions.ts'
import type { Bucket } from '../bucket.ts'
import type { Disk } from '../disk.ts'
import type { SitePieces } from '../fault.ts'
import { openSimulatedStore } from '../logs/open-session.ts'
import type { Life } from '../machine.ts'
import type { Random } from '../random.ts'

/** Whose sites they are. */
export const owner = 'ada'
/** The sites of a simulation. */
export const siteNames = ['blog', 'shop'] as const
/** The data folder of a simulated machine. */
export const layout = layoutOf('/data')
/** So little that not all contents fit. */
const cacheBytes = 40_000

/** What a session is opened on. */
export interface SiteOpening {
  readonly disk: Disk
  readonly life: Life
  readonly random: Random
  readonly pieces: SitePieces
  /** Undefined: objects lie in a folder. */
  readonly bucket: Bucket | undefined
  readonly isEncrypted: boolean
}

/** A store with its sites, open in a life. */
export interface SiteSession {
  readonly life: Life
  /** Counts openings, from 1. */
  readonly number: number
  readonly store: Store
  readonly objects: Objects
  readonly blobs: Blobs
  readonly bucket: Bucket | undefined
  readonly common: Omit<SiteVersionsOptions, 'name'>
  /** Keyed by name. */
  readonly sites: ReadonlyMap<string, SiteVersions>
}

/** Makes what a data folder needs before its first store. */
export function prepareDisk(disk: Disk): void {
  disk.makeFolder(layout.root)
  disk.syncFolder('/')
}

/** Opens everything. Sites that only the bucket knows are taken over from their roots. Throws `ERR_DATA_IO`, `ERR_OBJECTS`. */
export async function openSites(opening: SiteOpening, number: number): Promise<SiteSession> {
  const { life, pieces, bucket, isEncrypted } = opening
  const files = pieces.files?.(life.env.files, layout) ?? life.env.files
  const env = { ...life.env, files }
  const store = openSimulatedStore(opening)
  const plain = bucket ? bucket.connect(env) : await folderObjects(env, layout.objects)
  const objects = pieces.objects?.(plain, env) ?? plain
  const taken = bucket && (await takeBucket({ store, objects, env, owner }))
  const opened = await openBlobs(env, layout, { maxBytes: cacheBytes })
  const blobs = pieces.blobs?.(opened, env) ?? opened
  const common = {
    store,
    handle: store.root,
    env,
    blobs,
    objects,
    keyring: keyringOf(isEncrypted),
    owner,
    epoch: taken?.epoch,
  }
  const sites = new Map<string, SiteVersions>()
  for (const name of siteNames) {
    const root = taken?.sites.get(name)
    if (root !== undefined) await restoreSite({ ...common, name }, root)
    const versions = await openSiteVersions({ ...common, name })
    sites.set(name, pieces.versions?.(versions, common) ?? versions)
  }
  return { life, number, store, objects, blobs, bucket, common, sites }
}

/** Closes everything, in order. */
export async function closeSites({ sites, blobs, objects, store }: SiteSession): Promise<void> {
  for (const versions of sites.values()) await versions[Symbol.asyncDispose]()
  await blobs[Symbol.asyncDispose]()
  await objects[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
}

function keyringOf(isEncrypted: boolean): Keyring | undefined {
  return isEncrypted ? openKeyring([Buffer.alloc(32, 7)]) : undefined
}
