/** What a host holds of its sites beside the logs: objects, the cache of contents, keys; and how a site is opened on them. */

import type { Logger } from 'pino'
import type { Config } from '../core/config.ts'
import { siteOwner } from '../core/grant-api.ts'
import type { Layout } from '../core/layout.ts'
import type { BlobHash, SiteName } from '../core/names.ts'
import { type Blobs, openBlobs } from '../store/contents/blobs.ts'
import type { Environment } from '../store/environment.ts'
import { configuredBucket } from '../store/objects/configured-bucket.ts'
import type { Objects, PresignedUpload } from '../store/objects/objects.ts'
import { openObjects } from '../store/objects/open-objects.ts'
import { probeObjects } from '../store/objects/probe.ts'
import { configuredKeyring } from '../store/segments/configured-keys.ts'
import type { Keyring } from '../store/segments/keyring.ts'
import type { Store } from '../store/store.ts'
import { type CollectedAll, collect } from '../store/versions/collect.ts'
import type { Epoch } from '../store/versions/epoch.ts'
import { openSiteVersions, type SiteVersionsOptions } from '../store/versions/open-versions.ts'
import { presignUpload } from '../store/versions/presign.ts'
import { restoreSite } from '../store/versions/restore.ts'
import type { SiteVersions } from '../store/versions/versions.ts'
import { fencedVersions } from './fenced-versions.ts'
import { refuseLostStore } from './lost-store.ts'
import { forgetBackup, refuseOldBackup } from './old-backup.ts'
import type { ProgressLine } from './progress-lines.ts'
import { adoptSites, sitesToAdopt, takeBucket } from './take-bucket.ts'

/** Objects, contents and keys of one host. */
export interface Holdings {
  readonly objects: Objects
  readonly blobs: Blobs
  readonly keyring: Keyring | undefined
  /** Sites up to this length are fetched as a whole when one of their contents is missing here; 0 for none. */
  readonly wholeBytes: number
  /** What a site is opened with. */
  readonly siteOptions: (name: SiteName) => SiteVersionsOptions
  /** Opens the versions of a site; one that only the bucket knows is taken over from there. */
  readonly openVersions: (owner: string, name: SiteName) => Promise<SiteVersions>
  /** A right to send a content straight to the bucket. Throws `ERR_BAD_REQUEST` where there is none. */
  readonly presign: (
    name: SiteName,
    upload: { readonly hash: BlobHash; readonly bytes: number },
  ) => Promise<PresignedUpload>
  /** Removes objects that have had no use for long. */
  readonly collect: (signal: AbortSignal, options?: CollectInput) => Promise<CollectedAll>
}

/** How a collection is done. */
export interface CollectInput {
  /** How long something must have had no use. @default limits.store.collectGraceMs */
  readonly graceMs?: number | undefined
  /** Told how far it is. */
  readonly say?: (progress: ProgressLine) => void
}

/** A site that is fetched as a whole takes at most this part of the cache. */
const wholeShare = 4

/** What holdings are opened with. */
export interface HoldingsOptions {
  readonly config: Pick<Config, 'store' | 'cache' | 'encryption'>
  readonly layout: Layout
  readonly store: Store
  readonly env: Environment
  readonly log: Logger
  /** Takes what has to be closed. */
  readonly stack: AsyncDisposableStack
}

/**
 * Opens what a config asks for. A bucket is probed, and taken charge of. Throws `ERR_CONFIG_INVALID` for secrets that
 * cannot be had, `ERR_OBJECTS`, `ERR_FENCED`, and `ERR_DATA_FORMAT` when the store was lost and the objects were not.
 */
export async function openHoldings({ config, layout, store, env, log, stack }: HoldingsOptions): Promise<Holdings> {
  const keyring = await configuredKeyring(config.encryption, process.env)
  const bucket = await configuredBucket(config.store, process.env)
  const objects = stack.use(await openObjects(env, { folder: layout.objects, bucket }))
  const taken = objects.isRemote ? await takeRemote({ store, objects, env, log, layout, keyring }) : undefined
  if (!objects.isRemote) await refuseLostStore(store, layout)
  const blobs = stack.use(
    await openBlobs(env, layout, {
      maxBytes: config.cache.bytes,
      onFailure: (error) => log.warn({ err: error }, 'the cache of contents cannot be brought down to its size'),
    }),
  )
  const common: Omit<SiteVersionsOptions, 'name' | 'owner'> = {
    store,
    handle: store.root,
    env,
    blobs,
    objects,
    keyring,
    epoch: taken?.epoch,
    onFailure: (error, what) => log.warn({ err: error }, what),
  }
  return {
    objects,
    blobs,
    keyring,
    // What lies on the same disk can be read when it is wanted; what is far away comes together, if it does not fill the cache.
    wholeBytes: objects.isRemote ? config.cache.bytes / wholeShare : 0,
    siteOptions: (name) => ({ ...common, owner: siteOwner, name }),
    async openVersions(owner, name) {
      const root = taken?.roots.get(name)
      if (root !== undefined && (await restoreSite({ ...common, owner, name }, root)))
        log.info({ site: name }, 'taken over from the bucket')
      taken?.roots.delete(name)
      const versions = await openSiteVersions({ ...common, owner, name })
      return taken ? fencedVersions(versions, taken.epoch) : versions
    },
    presign: (name, upload) => presignUpload({ objects, keyring, owner: siteOwner, name }, upload),
    collect: (signal, { graceMs, say } = {}) =>
      collect({
        ...common,
        owner: siteOwner,
        signal,
        ...(graceMs !== undefined && { graceMs }),
        onProgress: (objects, removedBytes) => say?.({ what: 'collecting', objects, bytes: removedBytes }),
      }),
  }
}

interface TakenRemote {
  readonly epoch: Epoch
  /** Keyed by site: roots that were not looked into yet. */
  readonly roots: Map<SiteName, string>
}

async function takeRemote({
  store,
  objects,
  env,
  log,
  layout,
  keyring,
}: Pick<HoldingsOptions, 'store' | 'env' | 'log' | 'layout'> &
  Pick<Holdings, 'objects' | 'keyring'>): Promise<TakenRemote> {
  await probeObjects(objects, env)
  await refuseOldBackup({ layout, store, objects, owner: siteOwner, keyring })
  const { epoch, sites } = await takeBucket({ store, objects, env, owner: siteOwner })
  await forgetBackup(layout)
  const names = await sitesToAdopt(store, sites)
  await adoptSites(store, names, env.now())
  log.info({ bucket: objects.name, epoch: epoch.number, sites: sites.size, adopted: names.length }, 'bucket in use')
  return { epoch, roots: new Map(sites) }
}
