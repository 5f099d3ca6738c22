/**
 * What authors do with a site: publish a tree, go back to a version, make a site, delete one.
 *
 * A publish that is refused has changed nothing: paths, contents and sizes are checked before the one commit. What was
 * committed is never taken back; when it cannot be put live, the error says so and a repeat with the same `opId` tries
 * that part again.
 */

import type { Logger } from 'pino'
import type { PublishFile, PublishRequest, PublishResult, RollbackRequest } from '../core/admin-api.ts'
import { isMadePath } from '../core/code-manifest.ts'
import { GroveError } from '../core/errors.ts'
import { randomId } from '../core/ids.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash, SiteName, VersionNumber } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { Blobs } from '../store/contents/blobs.ts'
import type { Handle } from '../store/store.ts'
import { checkFiles } from '../store/trees/check.ts'
import { refuseFiles } from '../store/trees/refusal.ts'
import type {
  Act,
  Keep,
  Merged,
  Pin,
  Published,
  PublishInput,
  SiteChange,
  VersionRecord,
} from '../store/versions/versions.ts'
import type { Activator } from './activate.ts'
import type { FrontLinks, Reach } from './fronts.ts'
import type { Outbox } from './outbox.ts'
import type { SentContents } from './sent-contents.ts'
import { deriveCode, type SiteCodeOptions, withoutMade } from './site-code.ts'
import { checkNewSiteName } from './site-names.ts'
import type { SiteRegistry } from './site-registry.ts'
import type { Turns } from './turns.ts'
import { notServedNotes } from './unserved.ts'

/** What a publisher is made with. */
export interface PublisherOptions {
  readonly registry: SiteRegistry
  /** Lines of work, keyed by site. */
  readonly turns: Turns
  readonly blobs: Blobs
  readonly sent: SentContents
  /** How site code is made of a tree. @default it is not */
  readonly code?: SiteCodeOptions | undefined
  readonly activator: Pick<Activator, 'request' | 'live'>
  readonly fronts: Pick<FrontLinks, 'push' | 'connected' | 'behind' | 'allInForce'>
  /** The outbox in force. */
  readonly outbox: () => Pick<Outbox, 'poke' | 'plugins' | 'toldUpto'>
  /** Told of every site that was deleted. */
  readonly deleted?: (name: SiteName) => void
  /** Told of every site that was published to. */
  readonly published: (name: SiteName) => void
  /** Addresses of a site, for people. */
  readonly urls: (name: SiteName) => string[]
  readonly log: Logger
  readonly now: () => number
}

/** Does what authors ask for, for each site in the order in which it was asked. */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #turns: Turns

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#turns = options.turns
  }

  /** Takes in one content, for a publish of a site to come, or of any. Throws `ERR_BLOB_MISMATCH`, `ERR_TOO_LARGE`. */
  async put(hash: BlobHash, source: AsyncIterable<Uint8Array>, site?: SiteName): Promise<void> {
    const { blobs, sent } = this.#options
    await blobs.put(hash, source, limits.tree.fileBytes)
    if (site !== undefined) sent.note(site, hash)
  }

  /**
   * Makes a version and makes it live; a site that is not there is made. When contents are missing it answers them and
   * does nothing. A repeat with the same `opId` answers the same version. `handle`: whose right it is done with, the
   * host's own by default; under another one only what the site has or was sent for it counts as there. Throws
   * `ERR_PUBLISH_REFUSED`, `ERR_CODE`, `ERR_PUBLISH_CONFLICT`, `ERR_VERSION_UNKNOWN`, `ERR_SITE_NAME`, `ERR_SITE_EXISTS`,
   * `ERR_DENIED`.
   */
  async publish(name: SiteName, asked: PublishRequest, handle?: Handle): Promise<PublishResult> {
    const { registry, sent, log, code } = this.#options
    const request = withoutMade(asked)
    const put = 'files' in request ? request.files : request.put
    checkFiles(put)
    if (!registry.serves(name)) checkNewSite(name, request)
    const isSent = handle && ((hash: BlobHash) => sent.has(name, hash))
    const missing = await this.#missing(name, put, isSent)
    if (missing.length > 0) return emptyResult(missing)
    const derivation = code && deriveCode(code, name)
    const input = { ...this.#input(request, handle), isSent, derive: derivation?.derive }
    const { record, unchanged, rebased, change } = await this.#turns.run(name, () => this.#publishTo(name, input))
    sent.forget(
      name,
      put.map(({ hash }) => hash),
    )
    log.info({ site: name, version: record.version, files: record.files, unchanged, rebased }, 'published')
    this.#options.published(name)
    return {
      ...(await this.#bringLive(name, record.version, unchanged)),
      ...(!unchanged && { ...countsOf(change ?? record), rebased }),
      notes: [...(derivation?.notes ?? []), ...notServedNotes(put)],
    }
  }

  /**
   * Makes an earlier version live again: the given one, or the one that was live before the present one was published;
   * where none is live, as after an import that did not come to its end, the newest.
   * A repeat with the same `opId` answers the same version. Throws `ERR_SITE_UNKNOWN`, `ERR_VERSION_UNKNOWN`.
   */
  async rollback(
    name: SiteName,
    { version, opId = randomId() }: RollbackRequest,
    handle?: Handle,
  ): Promise<PublishResult> {
    const { registry, log } = this.#options
    const change = await this.#turns.run(name, async () => {
      using site = await registry.need(name)
      if (version !== undefined && version === site.versions.live?.version) return undefined
      const { live, versions } = site.versions
      const wanted = version ?? (live ? live.parent : versions.at(-1)?.version) ?? noVersion
      return await site.versions.activate(wanted, { opId, ...this.#act(handle) }).catch((error: unknown) => {
        if (wanted !== noVersion) throw error
        throw new GroveError('ERR_VERSION_UNKNOWN', `site "${name}" has no version before the live one`, {
          hint: `grove site versions ${name} shows all; --to chooses one`,
        })
      })
    })
    const live = change?.version ?? version ?? noVersion
    log.info({ site: name, version: live, unchanged: !change }, 'rolled back')
    return {
      ...(await this.#bringLive(name, live, !change)),
      ...(change && countsOf(change)),
    }
  }

  /** Sets a pin of a version, or moves it. Throws `ERR_SITE_UNKNOWN`, `ERR_VERSION_UNKNOWN`, `ERR_TOO_MANY`. */
  async pin(name: SiteName, pin: Pin, handle?: Handle): Promise<void> {
    await this.#turns.run(name, async () => {
      using site = await this.#options.registry.need(name)
      await site.versions.pin(pin, this.#act(handle))
    })
  }

  /** Takes a pin away. Answers false when there was none. */
  async unpin(name: SiteName, pin: string, handle?: Handle): Promise<boolean> {
    return this.#turns.run(name, async () => {
      using site = await this.#options.registry.need(name)
      return await site.versions.unpin(pin, this.#act(handle))
    })
  }

  /** Forgets versions that nothing keeps; what a plugin has yet to be told of stays readable. */
  async prune(name: SiteName, keep: Keep, handle?: Handle): Promise<Merged> {
    const { registry, outbox, log } = this.#options
    const done = await this.#turns.run(name, async () => {
      using site = await registry.need(name)
      return await site.versions.prune(keep, { ...this.#act(handle), keepAfter: outbox().toldUpto(site) })
    })
    if (done.pruned.length > 0) log.info({ site: name, ...done }, 'pruned')
    return done
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
    const names = [...registry.info(name).authorities]
    await this.#turns.run(name, () => registry.delete(name))
    await activator.request(name)
    this.#options.deleted?.(name)
    outbox().poke(name)
    await fronts.push({ kind: 'forget-certificates', names })
    log.info({ site: name }, 'site deleted')
  }

  /** A site that is not there is made once its first version is: a publish that is refused makes none. */
  async #publishTo(name: SiteName, input: PublishInput): Promise<Published> {
    const { registry } = this.#options
    if (!registry.serves(name)) registry.checkNew(name)
    using site = await registry.hold(name)
    // An earlier process may have ended between the two, or the site had left the config.
    if (!registry.serves(name) && site.versions.live) await registry.create(name)
    const published = await site.versions.publish(input)
    if (!registry.serves(name)) await registry.create(name)
    return published
  }

  /** Contents that have to be sent: asked of the site, which knows its segments, or of the disk when there is none yet. */
  async #missing(
    name: SiteName,
    files: readonly PublishFile[],
    isSent: PublishInput['isSent'] = () => true,
  ): Promise<BlobHash[]> {
    using site = await this.#options.registry.get(name)
    if (site) return await site.versions.missing(files, isSent)
    /** Keyed by hash; the length, or undefined for what is not there. */
    const lengths = new Map<BlobHash, number | undefined>(files.map(({ hash }) => [hash, undefined]))
    await forEachParallel([...lengths.keys()].filter(isSent), limits.store.blobLookups, async (hash) => {
      lengths.set(hash, await this.#options.blobs.bytesOf(hash))
    })
    const wrong = files.filter(({ hash, bytes }) => (lengths.get(hash) ?? bytes) !== bytes)
    if (wrong.length > 0)
      refuseFiles(
        wrong.map(({ path, hash, bytes }) => ({ path, reason: `has ${lengths.get(hash)} bytes, not ${bytes}` })),
      )
    return [...lengths].flatMap(([hash, bytes]) => (bytes === undefined ? hash : []))
  }

  #act(handle: Handle | undefined): Act {
    return { atMs: this.#options.now(), ...(handle && { handle }) }
  }

  #input(request: PublishRequest, handle: Handle | undefined): PublishInput {
    const { opId, message } = request
    const act = { opId, message, ...this.#act(handle) }
    if ('files' in request) return { ...act, files: request.files }
    return { ...act, base: request.base, change: { put: request.put, del: request.del } }
  }

  async #bringLive(name: SiteName, version: VersionNumber, unchanged: boolean): Promise<PublishResult> {
    const { activator, fronts, outbox, urls } = this.#options
    const result = { ...emptyResult([]), version, unchanged, urls: urls(name) }
    if (unchanged && activator.live(name)?.version === version)
      return { ...result, fronts: await this.#everywhere({ live: fronts.connected, connected: fronts.connected }) }
    const brought = activator.request(name)
    outbox().poke(name, version)
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

/** What is refused is refused before a site is made for it. */
function checkNewSite(name: SiteName, request: PublishRequest): void {
  checkNewSiteName(name)
  if ('files' in request || request.base === noVersion) return
  throw new GroveError('ERR_SITE_UNKNOWN', `there is no site "${name}", so it has no version ${request.base}`, {
    hint: 'grove site list shows all sites',
  })
}

/** How much a version changed, without the files that Grove made itself. */
function countsOf(change: SiteChange | VersionRecord): Pick<PublishResult, 'added' | 'changed' | 'removed'> {
  const count = (what: number | readonly string[]) =>
    typeof what === 'number' ? what : what.filter((path) => !isMadePath(path)).length
  return { added: count(change.added), changed: count(change.changed), removed: count(change.removed) }
}

/** A number that no version has: where there is nothing to go back to. */
const noVersion = 0

function emptyResult(missing: BlobHash[]): PublishResult {
  return {
    missing,
    unchanged: false,
    added: 0,
    changed: 0,
    removed: 0,
    rebased: false,
    urls: [],
    awaiting: [],
    notes: [],
  }
}
