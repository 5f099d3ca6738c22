/** What comes after the fronts were told of a version: the note that all have it, and copies in other codings. */

import type { Logger } from 'pino'
import type { SiteName, VersionNumber } from '../core/names.ts'
import { type LiveVersion, toEncode } from './compile-version.ts'
import type { FrontLinks } from './fronts.ts'
import type { Site, SiteRegistry } from './site-registry.ts'
import type { Variants } from './variants.ts'

/** What this work needs. */
export interface LiveWorkOptions {
  readonly registry: Pick<SiteRegistry, 'hold'>
  readonly fronts: Pick<FrontLinks, 'allInForce'>
  readonly variants: Pick<Variants, 'request'>
  readonly confirmed: (name: SiteName) => void
  /** Has a site compiled anew and the fronts told. */
  readonly request: (name: SiteName) => Promise<void>
  /** Whether fronts are told this version still. */
  readonly isLive: (name: SiteName, version: LiveVersion) => boolean
  readonly log: Logger
  readonly now: () => number
  readonly signal: AbortSignal
}

/** Follows live versions in the background, one piece of work for each site. */
export class LiveWork {
  readonly #options: LiveWorkOptions
  readonly #running = new Set<Promise<void>>()
  /** Keyed by site: the version whose copies are being made. */
  readonly #encoding = new Map<SiteName, VersionNumber>()

  constructor(options: LiveWorkOptions) {
    this.#options = options
  }

  /** Keeps the time of a version that all fronts have. */
  async markLive(site: Site, { version }: LiveVersion): Promise<void> {
    if (site.events.lastLive !== version) await site.events.markLive(version, this.#options.now())
    this.#options.confirmed(site.name)
  }

  /** Does what is left to do for a version. What is left undone at a stop is done at the next start. */
  follow(name: SiteName, live: LiveVersion): void {
    const { signal, log } = this.#options
    const done = this.#follow(name, live)
      .catch((error: unknown) => {
        if (!signal.aborted) log.error({ err: error, site: name }, 'cannot finish putting a version live')
      })
      .finally(() => this.#running.delete(done))
    this.#running.add(done)
  }

  /** Resolves when nothing is left to do. */
  async idle(): Promise<void> {
    await Promise.all(this.#running)
  }

  async #follow(name: SiteName, live: LiveVersion): Promise<void> {
    await Promise.all([this.#confirm(name, live), this.#encode(name, live)])
  }

  async #confirm(name: SiteName, live: LiveVersion): Promise<void> {
    const { registry, fronts, isLive, signal } = this.#options
    {
      using site = await registry.hold(name)
      if (site.events.lastLive === live.version) return
    }
    await fronts.allInForce(signal)
    using site = await registry.hold(name)
    if (isLive(name, live)) await this.markLive(site, live)
  }

  async #encode(name: SiteName, live: LiveVersion): Promise<void> {
    const { registry, variants, request, signal, now } = this.#options
    const files = toEncode(live)
    // What cannot be made is not asked for again by the version that came out without it.
    if (files.length > 0 && this.#encoding.get(name) === live.version) return
    using site = await registry.hold(name)
    if (files.length === 0) {
      this.#encoding.delete(name)
      await site.events.markEncoded(live.version, now())
      return
    }
    this.#encoding.set(name, live.version)
    await variants.request(files, (hash) => site.versions.ensure(hash))
    if (!signal.aborted && site.versions.live?.version === live.version) await request(name)
  }
}
