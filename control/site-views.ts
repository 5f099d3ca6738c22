/** Sites and versions as the control socket shows them. */

import type { SiteDetail, SiteSummary, VersionStatus } from '../core/admin-api.ts'
import { GroveError, toGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SiteName, VersionNumber } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { VersionRecord } from '../store/versions/versions.ts'
import type { Outbox } from './outbox.ts'
import type { Site, SiteRegistry } from './site-registry.ts'

/** What views are made from. */
export interface SiteViewsOptions {
  readonly registry: SiteRegistry
  readonly outbox: () => Pick<Outbox, 'pending'>
  /** The port that TLS is served at. */
  readonly httpsPort: () => number
}

/** Sites and versions for people and for `--json`. */
export class SiteViews {
  readonly #options: SiteViewsOptions

  constructor(options: SiteViewsOptions) {
    this.#options = options
  }

  /** Addresses of a site, that under the domain first. */
  urls(name: SiteName): string[] {
    const port = this.#options.httpsPort()
    const suffix = port === 443 ? '' : `:${port}`
    return this.#options.registry.info(name).authorities.map((authority) => `https://${authority}${suffix}/`)
  }

  /** How many sites are served. */
  get count(): number {
    return this.#options.registry.names.length
  }

  /** The addresses of the first sites by name, one of each. */
  firstUrls(most: number): string[] {
    return this.#options.registry.names.slice(0, most).flatMap((name) => this.urls(name).slice(0, 1))
  }

  /** One site, in short. */
  summary({ name, versions }: Site): SiteSummary {
    return {
      ...this.#settingsOf(name),
      ...(versions.live && { live: versions.live.version }),
      versions: versions.versions.length,
    }
  }

  /** Sites that are served, sorted by name; at most the first `limits.admin.sitesListed`. Opens each for a moment. */
  async summaries(): Promise<SiteSummary[]> {
    const { registry } = this.#options
    const names = registry.names.slice(0, limits.admin.sitesListed)
    const summaries = new Map<SiteName, SiteSummary>()
    await forEachParallel(names, limits.control.compileParallel, async (name) => {
      try {
        using site = await registry.get(name)
        if (site) summaries.set(name, this.summary(site))
      } catch (error) {
        // One site that cannot be opened must not hide the others.
        summaries.set(name, { ...this.#settingsOf(name), versions: 0, problem: toGroveError(error).message })
      }
    })
    return names.flatMap((name) => summaries.get(name) ?? [])
  }

  /** One site with its newest versions, newest first; at most `limits.admin.history`. */
  detail(site: Site): SiteDetail {
    const newest = site.versions.versions.slice(-limits.admin.history).reverse()
    return { ...this.summary(site), history: newest.map((record) => this.#versionStatus(site, record)) }
  }

  /** The life of one version. Throws `ERR_VERSION_UNKNOWN`. */
  version(site: Site, version: VersionNumber): VersionStatus {
    const record = site.versions.versions.find((candidate) => candidate.version === version)
    if (!record)
      throw new GroveError('ERR_VERSION_UNKNOWN', `site "${site.name}" has no version ${version}`, {
        hint: `grove site versions ${site.name} shows all`,
      })
    return this.#versionStatus(site, record)
  }

  #settingsOf(name: SiteName): Pick<SiteSummary, 'name' | 'urls' | 'upstreams' | 'from'> {
    const { upstreams, from } = this.#options.registry.settings(name)
    return { name, urls: this.urls(name), upstreams, from }
  }

  #versionStatus({ name, versions, events }: Site, record: VersionRecord): VersionStatus {
    const { version, message, files, bytes, added, changed, removed, atMs } = record
    const liveAtMs = events.liveAtMs(version)
    const pending = this.#options.outbox().pending(name)
    return {
      version,
      message,
      files,
      bytes,
      added,
      changed,
      removed,
      committedAtMs: atMs,
      ...(liveAtMs !== undefined && { liveAtMs }),
      encoded: events.isEncoded(version),
      live: versions.live?.version === version,
      pins: versions.pins.filter((pin) => pin.version === version).map((pin) => pin.name),
      writer: record.writer,
      receipts: events.receipts(version).map(({ plugin, action, atMs, details }) => ({
        plugin,
        action,
        atMs,
        ...(details && { details: { ...details } }),
      })),
      pending: pending
        .filter((delivery) => delivery.versions.includes(version))
        .map(({ plugin, attempts, error }) => ({ plugin, attempts, ...(error !== undefined && { error }) })),
    }
  }
}
