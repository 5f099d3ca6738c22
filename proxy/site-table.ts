/**
 * The sites that a front has loaded: by name, and by authority for the one look-up of a request. Others are known by
 * name and loaded when a visitor comes; those that were visited longest ago are let go of when they take too much memory.
 *
 * A change replaces a site's {@link SiteRuntime} in one step between two requests, after its compiled version was read;
 * what is under way keeps the one it began with.
 */

import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { ClientRule, SiteState } from '../core/messages.ts'
import type { Authority, SiteName, VersionNumber } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { CodeUpstream } from './code-upstream.ts'
import { KnownSites, type ToldState } from './known-sites.ts'
import { type Epoch, earlierEpochs, type SiteCode, type SiteRuntime, siteRuntime } from './site-runtime.ts'
import type { StaticTable } from './table.ts'
import type { UpstreamPools } from './upstream-pools.ts'

/** What a site table needs from the front. */
export interface SiteTableOptions {
  /**
   * Reads a compiled version by its hash; what it has in common with the one before is taken from there. `grown` is to
   * be told of memory that the table takes later.
   */
  readonly load: (
    compiled: string,
    before: StaticTable | undefined,
    grown: (bytes: number) => void,
  ) => Promise<StaticTable>
  /** Has control tell a site with {@link SiteTable.put}, and resolves when that is done. Bounded in time. */
  readonly ask: (name: SiteName) => Promise<void>
  readonly upstreams: UpstreamPools
  /** The code of a version as an upstream. */
  readonly code: (name: SiteName, version: VersionNumber) => CodeUpstream
  /** A site could not be put in force; it stays as it was. */
  readonly failed: (name: SiteName, error: unknown) => void
  /** What loaded sites may take in memory, about. @default limits.front.tableBytes */
  readonly maxBytes?: number
  /** Sites that stay loaded, however much they take. @default limits.front.leastTables */
  readonly least?: number
}

/** What a loaded site takes beside its table. */
const siteBytes = 2_000

/** Memory is brought down to this share of its bound, so that it is not counted anew for each site that is loaded. */
const shrinkShare = 0.9

/** All sites of a front. Calls for one site must come one after the other; so must calls of {@link replace} and all others. */
export class SiteTable {
  readonly #options: SiteTableOptions
  readonly #known = new KnownSites()
  /** Loaded ones. */
  readonly #byName = new Map<SiteName, SiteRuntime>()
  readonly #byAuthority = new Map<Authority, SiteRuntime>()
  /** Of sites that are gone or were let go of: what may still have answers under way. */
  readonly #left = new Map<SiteName, readonly Epoch[]>()
  readonly #asking = new Map<SiteName, Promise<void>>()
  /** What all tables take, counted when it seems too much; until then it may be more than they do. */
  #bytes = 0
  #visits = 0

  constructor(options: SiteTableOptions) {
    this.#options = options
  }

  /** The loaded site that an authority leads to. One that control may know better is asked for in the background. */
  at(authority: Authority): SiteRuntime | undefined {
    const site = this.#byAuthority.get(authority)
    if (site === undefined) return undefined
    site.usedAt = this.#visit()
    if (!site.isSure) this.#check(site)
    return site
  }

  /** The name of the site that an authority leads to, loaded or not. */
  nameAt(authority: Authority): SiteName | undefined {
    return this.#known.find(authority)
  }

  /** As {@link KnownSites.clientRule}. */
  clientRule(authority: Authority): ClientRule | undefined {
    return this.#known.clientRule(authority)
  }

  /** As {@link KnownSites.hasClientRules}. */
  get hasClientRules(): boolean {
    return this.#known.hasClientRules
  }

  /** A loaded site. */
  get(name: SiteName): SiteRuntime | undefined {
    return this.#byName.get(name)
  }

  /** Names of loaded sites. */
  get loaded(): SiteName[] {
    return [...this.#byName.keys()]
  }

  /**
   * Has a site loaded. Those who wait for one share one question. Rejects with what control answers, `ERR_TIMEOUT`,
   * `ERR_CLOSED` while control is away, or `ERR_TOO_MANY` over `limits.front.siteAsks`.
   */
  load(name: SiteName): Promise<void> {
    const same = this.#asking.get(name)
    if (same) return same
    if (this.#asking.size >= limits.front.siteAsks) {
      const message = `more than ${limits.front.siteAsks} sites are waited for`
      return Promise.reject(new GroveError('ERR_TOO_MANY', message))
    }
    const asked = this.#options.ask(name).finally(() => this.#asking.delete(name))
    this.#asking.set(name, asked)
    return asked
  }

  /** What may still have answers of an earlier table of a site under way, also when the site is gone. */
  earlier(name: SiteName): readonly Epoch[] {
    return this.#byName.get(name)?.earlier ?? this.#left.get(name) ?? []
  }

  /**
   * Puts one site in place of what was known of it. One that is loaded, or asked for, is in force when this resolves:
   * its compiled version is read first.
   */
  async put(told: SiteState): Promise<void> {
    if (this.#byName.has(told.name) || this.#asking.has(told.name)) await this.#load(told)
    else this.#options.upstreams.keep(told.name, told.upstreams)
    this.#known.put(told)
  }

  /** Takes a site away. */
  remove(name: SiteName): void {
    this.#known.remove(name)
    this.#unload(name)
    this.#options.upstreams.remove(name)
  }

  /** Puts exactly these sites in force, and answers the authorities of those that were not known. */
  async replace(state: ToldState): Promise<Authority[]> {
    // Those that go first, so that an authority that moves to another site is free when it arrives there.
    const kept = new Set([...state.names, ...state.sites.map(({ name }) => name)])
    for (const name of this.loaded) if (!kept.has(name)) this.remove(name)
    const fresh = this.#known.replace(state)
    this.#options.upstreams.retain((name) => this.#known.has(name))
    const told = new Map(state.sites.map((site) => [site.name, site]))
    await forEachParallel(this.loaded, limits.front.pieceReads, async (name) => {
      try {
        await this.#load(told.get(name) ?? this.#known.stateOf(name))
      } catch (error) {
        // One site whose compiled version cannot be read must not keep the others from being served.
        this.#options.failed(name, error)
        const site = this.#byName.get(name)
        if (site) site.isSure = false
      }
    })
    return fresh
  }

  async #load(told: SiteState): Promise<void> {
    const { name } = told
    const before = this.#byName.get(name)
    // What control cannot tell now is what it was.
    const isOld = (told.unavailable || told.untold) && before?.state.live !== undefined
    const state = isOld ? { ...told, live: before?.state.live } : told
    const table = await this.#tableFor(state, before)
    // Memory may have been short while the table was read.
    const now = this.#byName.get(name)
    const isSameTable = now !== undefined && now.table === table
    const site = siteRuntime({
      state,
      table,
      upstream: this.#options.upstreams.take(name, state.upstreams),
      code: this.#codeOf(state),
      epoch: isSameTable ? now.epoch : undefined,
      earlier: isSameTable || !now ? this.earlier(name) : earlierEpochs(now),
      isSure: told.untold !== true,
    })
    site.usedAt = now?.usedAt ?? this.#visit()
    this.#left.delete(name)
    this.#unlist(now)
    this.#byName.set(name, site)
    for (const authority of state.authorities) this.#byAuthority.set(authority, site)
    if (!now) this.#bytes += siteBytes
    if (!isSameTable) this.#grown((table?.bytes ?? 0) - (now?.table?.bytes ?? 0))
  }

  async #tableFor(state: SiteState, before: SiteRuntime | undefined): Promise<StaticTable | undefined> {
    if (!state.live) return undefined
    if (before?.table && before.state.live?.compiled === state.live.compiled) return before.table
    return this.#options.load(state.live.compiled, before?.table, (bytes) => this.#grown(bytes))
  }

  #codeOf({ name, live }: SiteState): SiteCode | undefined {
    return live?.code && { upstream: this.#options.code(name, live.version), routes: live.code.routes }
  }

  /** Asks control about a site whose live version it has not confirmed; visitors are served meanwhile. */
  #check(site: SiteRuntime): void {
    const nowMs = performance.now()
    if (nowMs < site.checkAtMs) return
    site.checkAtMs = nowMs + limits.front.siteCheckMs
    this.load(site.state.name).catch((error: unknown) => this.#options.failed(site.state.name, error))
  }

  /** Lets go of a site; it may be loaded again. */
  #unload(name: SiteName): void {
    const site = this.#byName.get(name)
    if (!site) return
    this.#unlist(site)
    this.#byName.delete(name)
    this.#bytes -= siteBytes + (site.table?.bytes ?? 0)
    for (const [gone, epochs] of this.#left) if (epochs.every((epoch) => epoch.isIdle)) this.#left.delete(gone)
    const underWay = earlierEpochs(site)
    if (underWay.length > 0) this.#left.set(name, underWay)
  }

  #grown(bytes: number): void {
    this.#bytes += bytes
    const { maxBytes = limits.front.tableBytes, least = limits.front.leastTables } = this.#options
    if (this.#bytes <= maxBytes) return
    this.#bytes = 0
    for (const { table } of this.#byName.values()) this.#bytes += siteBytes + (table?.bytes ?? 0)
    if (this.#bytes <= maxBytes) return
    // Rare: each time a tenth of the memory is let go of.
    const eldest = [...this.#byName].sort(([, a], [, b]) => a.usedAt - b.usedAt)
    for (const [name] of eldest) {
      if (this.#bytes <= maxBytes * shrinkShare || this.#byName.size <= least) return
      this.#unload(name)
    }
  }

  #visit(): number {
    this.#visits += 1
    return this.#visits
  }

  /** Takes a site's authorities off, but not those that another site has been given meanwhile. */
  #unlist(site: SiteRuntime | undefined): void {
    for (const authority of site?.state.authorities ?? [])
      if (this.#byAuthority.get(authority) === site) this.#byAuthority.delete(authority)
  }
}
