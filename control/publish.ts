/**
 * What authors do with a site: publish a tree, go back to a version, make a site, delete one.
 *
 * A publish that is refused has changed nothing: paths, contents and sizes are checked before the one commit. What was
 * committed is never taken back; when it cannot be put live, the error says so and a repeat with the same `opId` tries
 * that part again.
 */

import type { Logger } from 'pino'
import type { PublishRequest, PublishResult, RollbackRequest } from '../core/admin-api.ts'
import { GroveError } from '../core/errors.ts'
import { randomId } from '../core/ids.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash, SiteName, VersionNumber } from '../core/names.ts'
import type { Blobs } from '../store/blobs.ts'
import { missingBlobs } from '../store/missing-blobs.ts'
import { checkTree } from '../store/tree.ts'
import type { Activator } from './activate.ts'
import type { FrontLinks, Reach } from './fronts.ts'
import type { Outbox } from './outbox.ts'
import { checkNewSiteName } from './site-names.ts'
import type { Site, SiteRegistry } from './site-registry.ts'
import type { SweepGuard } from './sweep.ts'
import { Turns } from './turns.ts'
import { notServedNotes } from './unserved.ts'

/** What a publisher is made with. */
export interface PublisherOptions {
  readonly registry: SiteRegistry
  readonly blobs: Blobs
  readonly activator: Pick<Activator, 'request' | 'live'>
  readonly fronts: Pick<FrontLinks, 'push' | 'connected' | 'behind' | 'allInForce'>
  /** The outbox in force. */
  readonly outbox: () => Pick<Outbox, 'poke' | 'plugins'>
  /** Addresses of a site, for people. */
  readonly urls: (name: SiteName) => string[]
  /** Told of every content that a publish relies on, so that a sweep leaves it. */
  readonly guard: SweepGuard
  readonly log: Logger
  readonly now: () => number
}

/** Does what authors ask for, for each site in the order in which it was asked. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #turns = new Turns()

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** Of some contents those that are not here yet, each once. */
  missing(hashes: readonly BlobHash[]): Promise<BlobHash[]> {
    this.#options.guard.touch(hashes)
    return this.#options.blobs.missing(hashes)
  }

  /** Takes in one content. Throws `ERR_BLOB_MISMATCH`, `ERR_TOO_LARGE`. */
  async put(hash: BlobHash, source: AsyncIterable<Uint8Array>): Promise<void> {
    this.#options.guard.touch([hash])
    await this.#options.blobs.put(hash, source, limits.tree.fileBytes)
  }

  /**
   * Makes a tree the live version of a site, which is made if it is not there. When contents are missing it answers
   * them and does nothing. A repeat with the same `opId` answers the same version. Throws `ERR_PUBLISH_REFUSED`,
   * `ERR_SITE_NAME`, `ERR_SITE_EXISTS`.
   */
  async publish(name: SiteName, request: PublishRequest): Promise<PublishResult> {
    const { registry, blobs, guard, now, log } = this.#options
    if (!registry.serves(name)) checkNewSiteName(name)
    const { files, message, opId } = request
    checkTree(files)
    guard.touch(files.map(({ hash }) => hash))
    const missing = await missingBlobs(blobs, files)
    if (missing.length > 0) return emptyResult(missing)
    const committed = await this.#turns.run(name, async () => {
      const site = registry.get(name) ?? (await registry.create(name))
      const commit = () => site.versions.publish({ files, message, opId, atMs: now() })
      return { site, ...(await guard.committing(commit, ({ record }) => record.root)) }
    })
    const { site, record, unchanged } = committed
    log.info({ site: name, version: record.version, files: record.files, unchanged }, 'published')
    return {
      ...(await this.#bringLive(site, record.version, unchanged)),
      ...(!unchanged && { added: record.added, changed: record.changed, removed: record.removed }),
      notes: notServedNotes(files),
    }
  }

  /**
   * Makes an earlier version live again: the given one, or the one that was live before the present one was published.
   * A repeat with the same `opId` answers the same version. Throws `ERR_SITE_UNKNOWN`, `ERR_VERSION_UNKNOWN`.
   */
  async rollback(name: SiteName, { version, opId = randomId() }: RollbackRequest): Promise<PublishResult> {
    const { registry, now, log } = this.#options
    const { site, change } = await this.#turns.run(name, async () => {
      const site = registry.need(name)
      if (version !== undefined && version === site.versions.live?.version) return { site, change: undefined }
      const wanted = version ?? site.versions.live?.parent ?? noVersion
      const change = await site.versions.activate(wanted, { opId, atMs: now() }).catch((error: unknown) => {
        if (wanted !== noVersion) throw error
        throw new GroveError('ERR_VERSION_UNKNOWN', `site "${name}" has no version before the live one`, {
          hint: `grove site versions ${name} shows all; --to chooses one`,
        })
      })
      return { site, change }
    })
    const live = change?.version ?? version ?? noVersion
    log.info({ site: name, version: live, unchanged: !change }, 'rolled back')
    return {
      ...(await this.#bringLive(site, live, !change)),
      ...(change && { added: change.added.length, changed: change.changed.length, removed: change.removed.length }),
    }
  }

  /** Makes a site without a version. Throws `ERR_SITE_EXISTS`, `ERR_SITE_NAME`. */
  async create(name: SiteName): Promise<void> {
    await this.#turns.run(name, () => this.#options.registry.create(name))
    await this.#options.activator.request(name)
    this.#options.log.info({ site: name }, 'site made')
  }

  /** Ends a site, its versions and its certificates. Throws `ERR_SITE_UNKNOWN`, `ERR_CONFLICT` for a site of the config. */
  async delete(name: SiteName): Promise<void> {
    const { registry, activator, fronts, outbox, log } = this.#options
    const site = registry.need(name)
    const names = [...registry.info(name).authorities]
    await this.#turns.run(name, () => registry.delete(name))
    await activator.request(name)
    outbox().poke(site)
    await fronts.push({ kind: 'forget-certificates', names })
    log.info({ site: name }, 'site deleted')
  }

  async #bringLive(site: Site, version: VersionNumber, unchanged: boolean): Promise<PublishResult> {
    const { activator, fronts, outbox, urls } = this.#options
    const result = { ...emptyResult([]), version, unchanged, urls: urls(site.name) }
    if (unchanged && activator.live(site.name)?.version === version)
      return { ...result, fronts: await this.#everywhere({ live: fronts.connected, connected: fronts.connected }) }
    const brought = activator.request(site.name)
    outbox().poke(site, version)
    return { ...result, fronts: await this.#everywhere(await brought), awaiting: outbox().plugins }
  }

  /**
   * Waits, for a bounded time, until fronts that run but are not connected (they or control were just started) have come
   * and have it in force: whoever is told that a version is live must not be shown the one before.
   */
  async #everywhere(reach: Reach): Promise<Reach> {
    const { fronts } = this.#options
    if (fronts.behind === undefined) return reach
    try {
      await fronts.allInForce(AbortSignal.timeout(limits.control.inForceMs))
      return { live: fronts.connected, connected: fronts.connected }
    } catch {
      return reach // Some front is still behind; the caller is told how many are not.
    }
  }
}

/** A number that no version has: where there is nothing to go back to. */
const noVersion = 0

function emptyResult(missing: BlobHash[]): PublishResult {
  return { missing, unchanged: false, added: 0, changed: 0, removed: 0, urls: [], awaiting: [], notes: [] }
}
