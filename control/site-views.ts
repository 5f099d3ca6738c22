/** Sites and versions as the control socket shows them. */

import type { SiteDetail, SiteSummary, VersionStatus } from '../core/admin-api.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SiteName, VersionNumber } from '../core/names.ts'
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

  /** One site, in short. */
  summary({ name, versions }: Site): SiteSummary {
    const { upstreams, from } = this.#options.registry.settings(name)
    return {
      name,
      urls: this.urls(name),
      ...(versions.live && { live: versions.live.version }),
      versions: versions.versions.length,
      upstreams,
      from,
    }
  }

  /** All sites that are served, sorted by name. */
  summaries(): SiteSummary[] {
    return this.#options.registry.served().map((site) => this.summary(site))
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
