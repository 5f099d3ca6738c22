/**
 * Putting versions live: compile what the log says is live, tell every front, and wait for their answers.
 *
 * The log of versions has decided already; here the fronts follow it. For each site there is one line of work, so the
 * fronts see its versions in order, and a version that is not live any more when it is compiled is passed over.
 */

import { rm } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { CompiledFile } from '../core/compiled.ts'
import type { Config } from '../core/config.ts'
import { GroveError } from '../core/errors.ts'
import { compiledFile, type Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash, SiteName, VersionNumber } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import { compileVersion, writeCompiled } from './compile.ts'
import { Followers } from './followers.ts'
import type { FrontLinks, Reach } from './fronts.ts'
import { infoOf, type Site, type SiteRegistry, settingsOf } from './site-registry.ts'
import { siteStateOf } from './site-state.ts'
import type { Variants } from './variants.ts'

/** What an activator is made with. */
export interface ActivatorOptions {
  readonly layout: Layout
  readonly registry: SiteRegistry
  readonly fronts: Pick<FrontLinks, 'push' | 'allInForce' | 'behind'>
  readonly variants: Variants
  /** The config in force: its sites and plugins decide how a version is compiled. */
  readonly config: () => Config
  readonly log: Logger
  readonly now: () => number
}

/** A version in the form that fronts read. */
export interface LiveVersion {
  readonly version: VersionNumber
  readonly compiled: BlobHash
  /** Files whose copies in other codings are not all made. */
  readonly toEncode: readonly Pick<CompiledFile, 'hash' | 'bytes' | 'type'>[]
}

/** Puts versions live, one line of work for each site. */
export class Activator implements AsyncDisposable {
  readonly #options: ActivatorOptions
  readonly #lines = new Followers<Reach>((name, isNewest) => this.#bringLive(name, isNewest))
  readonly #ended = new AbortController()
  readonly #background = new Set<Promise<void>>()
  /** Keyed by site: the version whose copies were asked for last. What cannot be made is not asked for again. */
  readonly #encoding = new Map<SiteName, VersionNumber>()
  #live = new Map<SiteName, LiveVersion>()
  /** Sites whose live version could not be compiled when last tried. */
  #failed = new Set<SiteName>()

  constructor(options: ActivatorOptions) {
    this.#options = options
  }

  /** The version of a site that fronts are told, or undefined before the first. */
  live(name: SiteName): LiveVersion | undefined {
    return this.#live.get(name)
  }

  /**
   * Whether a site has a live version but none that fronts can be told: then they go on with what they have, and where
   * they have nothing, they say that it will come.
   */
  isUnavailable(name: SiteName): boolean {
    return this.#failed.has(name) && !this.#live.has(name)
  }

  /** Tries those sites again whose live version could not be compiled. Never rejects. */
  async retryFailed(): Promise<void> {
    for (const name of [...this.#failed])
      await this.request(name).catch((error: unknown) => {
        if (!this.#ended.signal.aborted)
          this.#options.log.warn({ err: error, site: name }, 'live version still cannot be put in force')
      })
  }

  /** Whether fronts may read a compiled version. */
  uses(compiled: BlobHash): boolean {
    return this.#live.values().some((live) => live.compiled === compiled)
  }

  /**
   * Brings what the log says of a site to every front, and resolves when all that were connected have answered or had
   * their time. Rejects when the version cannot be compiled; then the fronts keep what they have.
   */
  request(name: SiteName): Promise<Reach> {
    return this.#lines.request(name)
  }

  /** Resolves when what the log says of a site is in force on every front that runs. Rejects when `signal` aborts. */
  async inForce(name: SiteName, signal: AbortSignal): Promise<void> {
    await this.#lines.idle(name)
    const wanted = this.#options.registry.get(name)?.versions.live?.version
    if (this.#live.get(name)?.version !== wanted) await this.request(name)
    await this.#options.fronts.allInForce(signal)
  }

  /**
   * Compiles every live version under a config. Fronts are told nothing yet. A version that cannot be compiled is
   * logged and left out; if `strict`, it is an error where fronts serve the site now.
   */
  async compileAll(config: Config, { strict }: { strict: boolean }): Promise<Map<SiteName, LiveVersion>> {
    const compiled = new Map<SiteName, LiveVersion>()
    await forEachParallel(this.#options.registry.served(config), limits.control.compileParallel, async (site) => {
      try {
        const version = await this.#compile(site, config)
        if (version) compiled.set(site.name, version)
      } catch (error) {
        if (strict && this.#live.has(site.name)) throw error
        this.#options.log.error({ err: error, site: site.name }, 'live version cannot be compiled')
      }
    })
    return compiled
  }

  /** Takes compiled versions as what fronts are told from now on. The caller tells the fronts. */
  use(compiled: Map<SiteName, LiveVersion>): void {
    const served = this.#options.registry.served()
    this.#live = compiled
    this.#failed = new Set(served.flatMap(({ name, versions }) => (versions.live && !compiled.has(name) ? name : [])))
    for (const site of served) this.#followUp(site)
  }

  /** Runs `work` while no version is being put live; what is asked for meanwhile waits. */
  paused<T>(work: () => Promise<T>): Promise<T> {
    return this.#lines.paused(work)
  }

  /** Ends the work, and closes the variants that it was given. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    await this.#options.variants.close()
    await this.#lines.allIdle()
    await Promise.all(this.#background)
  }

  /** Answers undefined when something newer was asked for while this was compiled. */
  async #bringLive(name: SiteName, isNewest: () => boolean): Promise<Reach | undefined> {
    const { registry, fronts, config } = this.#options
    if (this.#ended.signal.aborted) throw new GroveError('ERR_CLOSED', 'control is stopping')
    const site = registry.get(name)
    if (!site) {
      this.#live.delete(name)
      this.#failed.delete(name)
      return fronts.push({ kind: 'gone', name })
    }
    const version = await this.#compile(site, config()).catch((error: unknown) => {
      this.#failed.add(name)
      throw error
    })
    this.#failed.delete(name)
    if (!isNewest()) return undefined
    const before = this.#live.get(name)
    if (version) this.#live.set(name, version)
    else this.#live.delete(name)
    const reach = await fronts.push({ kind: 'site', site: siteStateOf(config(), name, version) })
    // A front that did not answer was cut off and gets the whole state anew, so nobody reads the old form any more.
    if (before && before.compiled !== version?.compiled) await this.#discard(before.compiled)
    // In the ordinary case all fronts have it by now, and its time is kept before anybody is answered.
    if (version && fronts.behind === undefined) await this.#markLive(site, version)
    this.#followUp(site)
    return reach
  }

  async #compile(site: Site, config: Config): Promise<LiveVersion | undefined> {
    const { live } = site.versions
    if (!live) return undefined
    const { compiled, encoded } = await compileVersion({
      site: infoOf(config, site.name),
      version: live.version,
      files: await site.versions.tree(live.version),
      hasUpstream: settingsOf(config, site.name).upstreams.length > 0,
      plugins: config.plugins,
      layout: this.#options.layout,
    })
    const compressible = encoded ? [] : compiled.files.filter((file) => file.compressible)
    return {
      version: live.version,
      compiled: await writeCompiled(this.#options.layout, compiled),
      toEncode: compressible.map(({ hash, bytes, type }) => ({ hash, bytes, type })),
    }
  }

  /** What comes after the fronts were told: the note that all have it, and copies in other codings. */
  #followUp(site: Site): void {
    const live = this.#live.get(site.name)
    if (!live) return
    if (site.events.lastLive !== live.version) this.#inBackground(site, () => this.#confirm(site, live))
    if (live.toEncode.length === 0) {
      this.#inBackground(site, () => site.events.markEncoded(live.version, this.#options.now()))
    } else if (this.#encoding.get(site.name) !== live.version) {
      this.#encoding.set(site.name, live.version)
      this.#inBackground(site, () => this.#encode(site, live))
    }
  }

  async #confirm(site: Site, live: LiveVersion): Promise<void> {
    await this.#options.fronts.allInForce(this.#ended.signal)
    if (this.#live.get(site.name)?.version === live.version) await this.#markLive(site, live)
  }

  async #markLive(site: Site, live: LiveVersion): Promise<void> {
    if (site.events.lastLive !== live.version) await site.events.markLive(live.version, this.#options.now())
  }

  async #encode(site: Site, live: LiveVersion): Promise<void> {
    await this.#options.variants.request(live.toEncode)
    if (!this.#ended.signal.aborted && site.versions.live?.version === live.version) await this.request(site.name)
  }

  async #discard(compiled: BlobHash): Promise<void> {
    try {
      await rm(compiledFile(this.#options.layout, compiled), { force: true })
    } catch (error) {
      this.#options.log.warn({ err: error }, 'a compiled version that nobody uses cannot be removed')
    }
  }

  #inBackground(site: Site, work: () => Promise<void>): void {
    const done = work()
      .catch((error: unknown) => {
        // What is left undone at a stop is done at the next start.
        if (!this.#ended.signal.aborted)
          this.#options.log.error({ err: error, site: site.name }, 'cannot finish putting a version live')
      })
      .finally(() => this.#background.delete(done))
    this.#background.add(done)
  }
}
