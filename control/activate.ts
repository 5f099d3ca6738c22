/**
 * Putting versions live: compile what the log says is live, tell every front, and wait for their answers.
 *
 * The log of versions has decided already; here the fronts follow it. For each site there is one line of work, so the
 * fronts see its versions in order, and a version that is not live any more when it is compiled is passed over. A site
 * that has not changed is compiled when the first front asks for it.
 */

import type { Logger } from 'pino'
import type { Config } from '../core/config.ts'
import { GroveError } from '../core/errors.ts'
import type { Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { SiteName, VersionNumber } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { CodeManifests } from './code-manifests.ts'
import { compileVersion, type LiveVersion } from './compile-version.ts'
import type { CompiledTexts } from './compiled-texts.ts'
import { Followers } from './followers.ts'
import type { AskOf } from './front-asks.ts'
import type { FrontLinks, Reach } from './fronts.ts'
import { LiveVersions } from './live-versions.ts'
import { LiveWork } from './live-work.ts'
import type { Outstanding } from './outstanding.ts'
import type { HeldSite, SiteRegistry } from './site-registry.ts'
import { infoOf, settingsOf } from './site-settings.ts'
import { siteStateOf } from './site-state.ts'
import type { Variants } from './variants.ts'

/** What an activator is made with. */
export interface ActivatorOptions {
  readonly layout: Layout
  readonly registry: SiteRegistry
  readonly outstanding: Pick<Outstanding, 'sites'>
  readonly fronts: Pick<FrontLinks, 'push' | 'allInForce' | 'behind'>
  readonly texts: CompiledTexts
  readonly variants: Variants
  readonly manifests: CodeManifests
  /**
   * Told of a version with code before any front is, so that it can be loaded before visitors ask for it. Never rejects,
   * and takes a bounded time.
   */
  readonly announce: (name: SiteName, version: VersionNumber) => Promise<void>
  /** The config in force: its sites and plugins decide how a version is compiled. */
  readonly config: () => Config
  /** Told when a version of a site was found live on every front. */
  readonly confirmed: (name: SiteName) => void
  readonly log: Logger
  readonly now: () => number
  /** @default limits.control.livePieces */
  readonly livePieces?: number
}

/** Live versions compiled under another config, and what could not be. Keyed by site. */
export type Recompiled = ReadonlyMap<SiteName, LiveVersion | 'failed' | undefined>

const nobody: Reach = { live: 0, connected: 0 }

/** Puts versions live, one line of work for each site. */
export class Activator implements AsyncDisposable {
  readonly #options: ActivatorOptions
  readonly #lines = new Followers<Reach>((name, isNewest) => this.#bringLive(name, isNewest))
  readonly #ended = new AbortController()
  readonly #live: LiveVersions
  readonly #work: LiveWork
  /** Sites that fronts have to be told of when their line has worked next. */
  readonly #toPush = new Set<SiteName>()
  /** Sites whose live version could not be compiled when last tried, with the reason. */
  readonly #failed = new Map<SiteName, unknown>()

  constructor(options: ActivatorOptions) {
    this.#options = options
    const { texts, outstanding, registry, fronts, variants, confirmed, log, now, livePieces } = options
    this.#live = new LiveVersions({
      texts,
      mostPieces: livePieces ?? limits.control.livePieces,
      isPinned: (name) => outstanding.sites.has(name),
    })
    const request = async (name: SiteName) => void (await this.request(name))
    const isLive = (name: SiteName, { version }: LiveVersion) => this.#live.get(name)?.version === version
    const { signal } = this.#ended
    this.#work = new LiveWork({ registry, fronts, variants, confirmed, request, isLive, log, now, signal })
  }

  /** The version of a site that fronts are told; undefined when nobody has asked for it, or long ago. */
  live(name: SiteName): LiveVersion | undefined {
    return this.#live.get(name)
  }

  /**
   * Brings what the log says of a site to every front, and resolves when all that were connected have answered or had
   * their time. Rejects when the version cannot be compiled; then the fronts keep what they have.
   */
  request(name: SiteName): Promise<Reach> {
    this.#toPush.add(name)
    return this.#lines.request(name)
  }

  /**
   * Sees to it that {@link told} says what is live on a site. A version that cannot be compiled is logged. Throws
   * `ERR_CLOSED`, and what opening the site fails with.
   */
  async ready(name: SiteName): Promise<void> {
    if (this.told(name)) return
    await this.#lines.request(name).catch((error: unknown) => {
      if (!this.#failed.has(name)) throw error
      this.#options.log.error({ err: error, site: name }, 'live version cannot be compiled')
    })
  }

  /** What fronts are told that is live on a site; undefined when there is nothing, or nobody has looked since long ago. */
  told(name: SiteName): LiveVersion | 'unavailable' | undefined {
    return this.#live.get(name) ?? (this.#failed.has(name) ? 'unavailable' : undefined)
  }

  /** Tries those sites again whose live version could not be compiled. Never rejects. */
  async retryFailed(): Promise<void> {
    for (const name of [...this.#failed.keys()])
      await this.request(name).catch((error: unknown) => {
        if (!this.#ended.signal.aborted)
          this.#options.log.warn({ err: error, site: name }, 'live version still cannot be put in force')
      })
  }

  /** Compiles a site anew and looks at each of its texts, as a front could not read what it was told; tells all fronts. */
  async mend(name: SiteName): Promise<void> {
    this.#live.distrust(name)
    await this.request(name)
  }

  /** Has a copy made again that a front did not find. Where it comes out otherwise, the site is compiled anew. */
  async copyLost({ site: name, ...copy }: AskOf<'copy'>): Promise<void> {
    const { registry, variants } = this.#options
    using site = await registry.get(name)
    if (site && !(await variants.remake(copy, (hash) => site.versions.ensure(hash)))) await this.mend(name)
  }

  /** Resolves when what the log says of a site is in force on every front that runs. Rejects when `signal` aborts. */
  async inForce(name: SiteName, signal: AbortSignal): Promise<void> {
    await this.#lines.idle(name)
    // Of any other site every front has the live version, or none and would have to ask.
    if (this.#options.outstanding.sites.has(name)) {
      const wanted = await this.#liveInLog(name)
      if (this.#live.get(name)?.version !== wanted) await this.request(name)
    }
    await this.#options.fronts.allInForce(signal)
  }

  /**
   * Compiles live versions anew under a config that is to come: of those sites that fronts have loaded, and of those of
   * which something is outstanding. Fronts are told nothing yet. Only while no version is put live; see {@link paused}.
   * Rejects when a version that a front serves cannot be compiled.
   */
  async recompile(config: Config, loaded: ReadonlySet<SiteName>): Promise<Recompiled> {
    const compiled = new Map<SiteName, LiveVersion | 'failed' | undefined>()
    const names = [...loaded.union(this.#options.outstanding.sites)].filter((name) => this.#serves(config, name))
    try {
      await forEachParallel(names, limits.control.compileParallel, async (name) => {
        using site = await this.#options.registry.hold(name)
        const version = await this.#compile(site, config).catch((error: unknown) => {
          if (loaded.has(name) && this.told(name) !== 'unavailable') throw error
          this.#options.log.error({ err: error, site: name }, 'live version cannot be compiled')
          return 'failed' as const
        })
        compiled.set(name, version)
      })
      return compiled
    } catch (error) {
      await this.discard(compiled)
      throw error
    }
  }

  /** Lets go of what was compiled for a config that does not come. */
  async discard(compiled: Recompiled): Promise<void> {
    for (const version of compiled.values()) if (version !== 'failed') await this.#live.release(version)
  }

  /**
   * Takes what was compiled as what fronts are told from now on, runs `tell`, which tells them, and forgets all else.
   */
  async use(compiled: Recompiled, tell: () => Promise<unknown>): Promise<void> {
    const before: (LiveVersion | undefined)[] = []
    for (const name of this.#live.names) if (!compiled.has(name)) before.push(this.#live.set(name, undefined))
    this.#failed.clear()
    for (const [name, version] of compiled) {
      if (version === 'failed') this.#failed.set(name, new GroveError('ERR_PLUGIN', 'live version cannot be compiled'))
      before.push(this.#live.set(name, version === 'failed' ? undefined : version))
    }
    await tell()
    for (const version of before) await this.#live.release(version)
    for (const [name, version] of compiled) if (version && version !== 'failed') this.#work.follow(name, version)
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
    await this.#work.idle()
  }

  /** Answers undefined when something newer was asked for while this was compiled. */
  async #bringLive(name: SiteName, isNewest: () => boolean): Promise<Reach | undefined> {
    const { registry, outstanding, fronts, config } = this.#options
    if (this.#ended.signal.aborted) throw new GroveError('ERR_CLOSED', 'control is stopping')
    if (!registry.serves(name)) {
      this.#failed.delete(name)
      this.#toPush.delete(name)
      const before = this.#live.set(name, undefined)
      const reach = await fronts.push({ kind: 'gone', name })
      await this.#live.release(before)
      return reach
    }
    using site = await registry.hold(name)
    const version = await this.#compile(site, config()).catch((error: unknown) => {
      this.#failed.set(name, error)
      throw error
    })
    if (!isNewest()) {
      await this.#live.release(version)
      return undefined
    }
    this.#failed.delete(name)
    const before = this.#live.set(name, version)
    // While something is outstanding, a front may have what was live before.
    const isPushed = this.#toPush.delete(name) || outstanding.sites.has(name)
    if (version?.code && before?.version !== version.version) await this.#options.announce(name, version.version)
    const reach = isPushed
      ? await fronts.push({ kind: 'site', site: siteStateOf(config(), registry.domains, name, version) })
      : nobody
    // A front that did not answer was cut off and gets the whole state anew, so nobody reads the old form any more.
    await this.#live.release(before)
    // In the ordinary case all fronts have it by now, and its time is kept before anybody is answered.
    if (version && isPushed && fronts.behind === undefined) await this.#work.markLive(site, version)
    if (version) this.#work.follow(name, version)
    return reach
  }

  async #compile(site: HeldSite, config: Config): Promise<LiveVersion | undefined> {
    const { live } = site.versions
    if (!live) return undefined
    return compileVersion({
      code: await this.#options.manifests.of(site, live.version),
      site: infoOf(config, site.name, this.#options.registry.domains.of(site.name)),
      version: live.version,
      leaves: site.versions.leaves(live.version),
      hasUpstream: settingsOf(config, site.name).upstreams.length > 0,
      plugins: config.plugins,
      layout: this.#options.layout,
      before: this.#live.get(site.name),
      texts: this.#options.texts,
    })
  }

  async #liveInLog(name: SiteName): Promise<number | undefined> {
    using site = await this.#options.registry.get(name)
    return site?.versions.live?.version
  }

  /** Whether a site is served under a config: by it, or because a command made it. */
  #serves(config: Config, name: SiteName): boolean {
    return Object.hasOwn(config.sites, name) || this.#options.registry.created.has(name)
  }
}
