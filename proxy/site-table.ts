/**
 * All sites of a front: by name, and by authority for the one look-up of a request.
 *
 * A change replaces a site's {@link SiteRuntime} in one step between two requests, after its compiled version was read;
 * what is under way keeps the one it began with.
 */

import type { SiteState } from '../core/messages.ts'
import type { Authority, SiteName } from '../core/names.ts'
import type { RemoteUpstream } from './remote-upstream.ts'
import { Epoch, earlierEpochs, type SiteRuntime } from './site-runtime.ts'
import type { StaticTable } from './table.ts'

/** What a site table needs from the front. */
export interface SiteTableOptions {
  /** Reads a compiled version by its hash; what it has in common with the one before is taken from there. */
  readonly load: (compiled: string, before: StaticTable | undefined) => Promise<StaticTable>
  readonly createUpstream: (urls: readonly string[]) => RemoteUpstream
  /** A site could not be put in force; it stays as it was. */
  readonly failed: (name: SiteName, error: unknown) => void
  /** A site is gone, or its upstreams are others: its WebSockets end. */
  readonly upstreamGone: (name: SiteName) => void
}

/** All sites of a front. */
export class SiteTable {
  readonly #options: SiteTableOptions
  readonly #byName = new Map<SiteName, SiteRuntime>()
  readonly #byAuthority = new Map<Authority, SiteRuntime>()
  /** Of sites that are gone: what may still have answers under way. */
  readonly #left = new Map<SiteName, readonly Epoch[]>()

  constructor(options: SiteTableOptions) {
    this.#options = options
  }

  /** The site that an authority leads to. */
  at(authority: Authority): SiteRuntime | undefined {
    return this.#byAuthority.get(authority)
  }

  get(name: SiteName): SiteRuntime | undefined {
    return this.#byName.get(name)
  }

  /** What may still have answers of an earlier table of a site under way, also when the site is gone. */
  earlier(name: SiteName): readonly Epoch[] {
    return this.#byName.get(name)?.earlier ?? this.#left.get(name) ?? []
  }

  /** Puts one site in force, in place of what was known of it. Reads its compiled version first. */
  async put(told: SiteState): Promise<void> {
    const before = this.#byName.get(told.name)
    // What control cannot tell now is what it was.
    const state = told.unavailable && before?.state.live ? { ...told, live: before.state.live } : told
    const table = await this.#tableFor(state, before)
    const sameUpstreams = before !== undefined && sameList(before.state.upstreams, state.upstreams)
    const upstream = sameUpstreams ? before.upstream : this.#newUpstream(state)
    const sameTable = before !== undefined && before.table === table
    const site: SiteRuntime = {
      state,
      info: { name: state.name, authorities: state.authorities },
      table,
      upstream,
      epoch: sameTable ? before.epoch : new Epoch(),
      earlier: sameTable || !before ? this.earlier(state.name) : earlierEpochs(before),
    }
    this.#left.delete(state.name)
    this.#unlist(before)
    this.#byName.set(state.name, site)
    for (const authority of state.authorities) this.#byAuthority.set(authority, site)
    if (before?.upstream && !sameUpstreams) this.#retire(before)
  }

  /** Takes a site away. */
  remove(name: SiteName): void {
    const before = this.#byName.get(name)
    if (!before) return
    this.#unlist(before)
    this.#byName.delete(name)
    for (const [gone, epochs] of this.#left) if (epochs.every((epoch) => epoch.isIdle)) this.#left.delete(gone)
    this.#left.set(name, earlierEpochs(before))
    this.#retire(before)
  }

  /** Puts exactly these sites in force. */
  async replace(states: readonly SiteState[]): Promise<void> {
    const kept = new Set(states.map(({ name }) => name))
    // Those that go first, so that an authority that moves to another site is free when it arrives there.
    for (const name of [...this.#byName.keys()]) if (!kept.has(name)) this.remove(name)
    for (const state of states) {
      try {
        await this.put(state)
      } catch (error) {
        // One site whose compiled version cannot be read must not keep the others from being served.
        this.#options.failed(state.name, error)
        // Its name is ours all the same: visitors are told to come back, not that they are in the wrong place.
        if (!this.#byName.has(state.name)) await this.put({ ...state, live: undefined, unavailable: true })
      }
    }
  }

  /** Lets upstream connections finish and closes them. */
  async close(): Promise<void> {
    await Promise.all([...this.#byName.values()].map((site) => site.upstream?.close()))
  }

  async #tableFor(state: SiteState, before: SiteRuntime | undefined): Promise<StaticTable | undefined> {
    if (!state.live) return undefined
    if (before?.table && before.state.live?.compiled === state.live.compiled) return before.table
    return this.#options.load(state.live.compiled, before?.table)
  }

  #newUpstream(state: SiteState): RemoteUpstream | undefined {
    return state.upstreams.length === 0 ? undefined : this.#options.createUpstream(state.upstreams)
  }

  #retire(site: SiteRuntime): void {
    this.#options.upstreamGone(site.state.name)
    void site.upstream?.close()
  }

  /** Takes a site's authorities off, but not those that another site has been given meanwhile. */
  #unlist(site: SiteRuntime | undefined): void {
    for (const authority of site?.state.authorities ?? [])
      if (this.#byAuthority.get(authority) === site) this.#byAuthority.delete(authority)
  }
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index])
}
