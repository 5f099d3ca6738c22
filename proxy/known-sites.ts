/**
 * All sites that a front may be asked for, loaded or not: their names, and settings where they have their own. Most have
 * none and cost their name.
 */

import type { ClientRule, ControlToFront, SiteState } from '../core/messages.ts'
import type { Authority, SiteName } from '../core/names.ts'

/** A whole state, as control tells it. */
export type ToldState = Pick<Extract<ControlToFront, { kind: 'state' }>, 'names' | 'defaults' | 'sites'> & {
  readonly domain: string
}

type Settings = Omit<SiteState, 'live' | 'unavailable' | 'untold'>

/** Names and settings of all sites. */
export class KnownSites {
  /** Sites without settings of their own. */
  #names: Set<SiteName> = new Set()
  /** Settings of the others. */
  #own = new Map<SiteName, Settings>()
  /** Who has the authorities of those others. */
  #owners = new Map<Authority, SiteName>()
  #defaults: ToldState['defaults'] = { upstreams: [], timeoutMs: 0, bodyBytes: 0 }
  #suffix = '.'
  /** Once some site has a rule, until all sites are told anew: while none has one, nobody is to look for it. */
  #hasClientRules = false

  /** The site that an authority leads to. Settings of a site's own come first. */
  find(authority: Authority): SiteName | undefined {
    const owner = this.#owners.get(authority)
    if (owner !== undefined || !authority.endsWith(this.#suffix)) return owner
    const name = authority.slice(0, -this.#suffix.length)
    return this.#names.has(name) ? name : undefined
  }

  /** What the site of an authority asks visitors for; undefined when it asks for nothing, or there is none. */
  clientRule(authority: Authority): ClientRule | undefined {
    if (!this.#hasClientRules) return undefined
    const owner = this.find(authority)
    return owner === undefined ? undefined : this.#own.get(owner)?.clients
  }

  /** Whether some site may ask visitors for certificates. */
  get hasClientRules(): boolean {
    return this.#hasClientRules
  }

  has(name: SiteName): boolean {
    return this.#names.has(name) || this.#own.has(name)
  }

  /** What is known of a site, with nothing said of what is live. */
  stateOf(name: SiteName): SiteState {
    const settings = this.#own.get(name) ?? { name, authorities: [`${name}${this.#suffix}`], ...this.#defaults }
    return { ...settings, untold: true }
  }

  /** Puts one site in the place of what was known of it. */
  put(told: SiteState): void {
    const { name } = told
    this.remove(name)
    if (this.#isDefault(told)) this.#names.add(name)
    else this.#addOwn(told)
  }

  /** Takes a site away. */
  remove(name: SiteName): void {
    this.#names.delete(name)
    for (const authority of this.#own.get(name)?.authorities ?? [])
      if (this.#owners.get(authority) === name) this.#owners.delete(authority)
    this.#own.delete(name)
  }

  /** Knows exactly these sites, and answers the authorities of those that were not known. */
  replace({ domain, names, defaults, sites }: ToldState): Authority[] {
    const before = { names: this.#names, owners: this.#owners, suffix: this.#suffix }
    this.#suffix = `.${domain}`
    this.#defaults = defaults
    this.#names = new Set(names)
    this.#own = new Map()
    this.#owners = new Map()
    this.#hasClientRules = false
    for (const site of sites) if (!this.#names.has(site.name)) this.#addOwn(site)
    const isSameDomain = before.suffix === this.#suffix
    const fresh = names.filter((name) => !isSameDomain || !before.names.has(name))
    const owned = [...this.#owners.keys()].filter((authority) => !before.owners.has(authority))
    return [...fresh.map((name) => `${name}${this.#suffix}`), ...owned]
  }

  #addOwn({ live: _live, unavailable: _unavailable, untold: _untold, ...settings }: SiteState): void {
    this.#own.set(settings.name, settings)
    if (settings.clients) this.#hasClientRules = true
    for (const authority of settings.authorities) this.#owners.set(authority, settings.name)
  }

  #isDefault({ name, authorities, upstreams, timeoutMs, bodyBytes, clients, provesNames }: SiteState): boolean {
    const [own, ...more] = authorities
    return (
      own === `${name}${this.#suffix}` &&
      more.length === 0 &&
      clients === undefined &&
      provesNames === undefined &&
      upstreams.length === 0 &&
      this.#defaults.upstreams.length === 0 &&
      timeoutMs === this.#defaults.timeoutMs &&
      bodyBytes === this.#defaults.bodyBytes
    )
  }
}
