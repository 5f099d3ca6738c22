/**
 * All sites: those of the config and those made by commands, with their versions and events.
 *
 * A site is served when the config or the log `/sites` says so. A site that left the config keeps its data and comes
 * back with it; a site that was deleted keeps its logs, so that its plugins still hear of the end.
 */

import { z } from 'zod'
import { type Config, parseConfig, type SiteConfig } from '../core/config.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Authority, SiteName } from '../core/names.ts'
import type { SiteInfo } from '../core/plugin.ts'
import type { Blobs } from '../store/blobs.ts'
import { openOwnLog } from '../store/logs/own-log.ts'
import type { Log, Store } from '../store/store.ts'
import { openSiteVersions, type SiteVersions } from '../store/versions.ts'
import { SiteEvents } from './site-events.ts'
import { checkNewSiteName } from './site-names.ts'

/** The owner under whose path every site lies as long as there is one operator and no accounts of authors. */
const siteOwner = 'operator'

const sitesLog = '/sites'

const entrySchema = z.object({ kind: z.enum(['created', 'deleted']), name: z.string(), atMs: z.number() })

/** A site with all that control keeps of it. */
export interface Site {
  readonly name: SiteName
  readonly versions: SiteVersions
  readonly events: SiteEvents
}

/** How a site is served: from the config, or by default. */
export interface SiteSettings extends SiteConfig {
  /** Where the site was made. */
  readonly from: 'config' | 'command'
}

/** What a registry is made with. */
export interface RegistryOptions {
  readonly store: Store
  readonly blobs: Blobs
  readonly config: Config
  readonly now: () => number
}

/** All sites by name and by authority. Changes to one name must come one after the other: see {@link Turns}. */
export class SiteRegistry implements AsyncDisposable {
  readonly #options: RegistryOptions
  readonly #log: Log
  /** Every site that has data, served or not. */
  readonly #sites = new Map<SiteName, Site>()
  readonly #created = new Set<SiteName>()
  #config: Config
  #byAuthority = new Map<Authority, SiteName>()

  private constructor(options: RegistryOptions, log: Log) {
    this.#options = options
    this.#config = options.config
    this.#log = log
  }

  /** Opens the registry and every site in the store. Throws `ERR_CONFIG_INVALID` when the config takes a name that a site has. */
  static async open(options: RegistryOptions): Promise<SiteRegistry> {
    const { store } = options
    const registry = new SiteRegistry(options, await openOwnLog(store, store.root, sitesLog))
    try {
      await registry.#readCreated()
      for (const path of await store.list(store.root, `${sitesLog}/${siteOwner}`)) {
        const [, , , name, kind] = path.split('/')
        if (name !== undefined && kind === 'versions') await registry.#open(name)
      }
      await registry.prepare(options.config)
      registry.use(options.config)
      return registry
    } catch (error) {
      await registry[Symbol.asyncDispose]()
      throw error
    }
  }

  /** A site that is served, or undefined. */
  get(name: SiteName): Site | undefined {
    return this.serves(name) ? this.#sites.get(name) : undefined
  }

  /** A site that is served. Throws `ERR_SITE_UNKNOWN`. */
  need(name: SiteName): Site {
    const site = this.get(name)
    if (site) return site
    const hint = 'grove site list shows all sites'
    throw new GroveError('ERR_SITE_UNKNOWN', `there is no site "${name}"`, { details: { site: name }, hint })
  }

  /** Whether the config or a command made the site and nothing has ended it. */
  serves(name: SiteName): boolean {
    return this.#created.has(name) || Object.hasOwn(this.#config.sites, name)
  }

  /** Sites that are served, sorted by name; or those that would be under another config, which must be prepared. */
  served(config: Config = this.#config): Site[] {
    return this.all().filter(({ name }) => this.#created.has(name) || Object.hasOwn(config.sites, name))
  }

  /** Sites that have data, served or not, sorted by name. */
  all(): Site[] {
    return [...this.#sites.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** The name and authorities of a site, `<name>.<domain>` first; also of one that is not served any more. */
  info(name: SiteName): SiteInfo {
    return infoOf(this.#config, name)
  }

  /** How a site is served. */
  settings(name: SiteName): SiteSettings {
    return settingsOf(this.#config, name)
  }

  /** The site that a name leads to. */
  siteAt(authority: Authority): SiteName | undefined {
    return this.#byAuthority.get(authority)
  }

  /** Makes a site by command. Throws `ERR_SITE_EXISTS`, `ERR_SITE_NAME`, or `ERR_TOO_MANY` over `limits.control.sites`. */
  async create(name: SiteName): Promise<Site> {
    checkNewSiteName(name)
    if (this.serves(name))
      throw new GroveError('ERR_SITE_EXISTS', `there is a site "${name}" already`, {
        hint: `publish to it with: grove publish <folder> --site ${name}`,
      })
    const authority = `${name}.${this.#config.domain}`
    const owner = this.#byAuthority.get(authority)
    if (owner !== undefined)
      throw new GroveError('ERR_SITE_EXISTS', `site "${owner}" has the name ${authority} already`)
    if (this.served().length >= limits.control.sites)
      throw new GroveError('ERR_TOO_MANY', `there are ${limits.control.sites} sites, the most that one host serves`)
    const site = await this.#open(name)
    await this.#append('created', name)
    this.#created.add(name)
    this.#byAuthority.set(authority, name)
    return site
  }

  /** Ends a site that a command made: its versions go, its numbers are not used again. Throws `ERR_SITE_UNKNOWN`, `ERR_CONFLICT`. */
  async delete(name: SiteName): Promise<void> {
    const site = this.need(name)
    if (Object.hasOwn(this.#config.sites, name)) {
      const hint = 'take it out of the config and run grove reload'
      throw new GroveError('ERR_CONFLICT', `site "${name}" is in the config`, { hint })
    }
    // The tombstone first: a crash in between leaves an empty site, never one that comes back with its old content.
    if (site.versions.versions.length > 0) await site.versions.delete({ atMs: this.#options.now() })
    await this.#append('deleted', name)
    this.#created.delete(name)
    this.#byAuthority = authoritiesOf(this.#config, this.#created, 'first')
  }

  /**
   * Checks that a config fits the sites that commands made, and opens what it adds. Nothing is served differently
   * until {@link use}. Throws `ERR_CONFIG_INVALID`.
   */
  async prepare(config: Config): Promise<void> {
    authoritiesOf(config, this.#created)
    for (const name of Object.keys(config.sites)) await this.#open(name)
  }

  /** Serves as a prepared config says, from now on. A name that a site was made with since then stays with the config's. */
  use(config: Config): void {
    this.#byAuthority = authoritiesOf(config, this.#created, 'first')
    this.#config = config
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { versions, events } of this.#sites.values()) {
      await versions[Symbol.asyncDispose]()
      await events[Symbol.asyncDispose]()
    }
    this.#sites.clear()
    await this.#log.close()
  }

  async #readCreated(): Promise<void> {
    for await (const { data } of this.#log.read()) {
      const entry = entrySchema.safeParse(JSON.parse(Buffer.from(data).toString('utf8')))
      if (!entry.success) throw new GroveError('ERR_DATA_FORMAT', `${sitesLog} has an entry that is no event of sites`)
      if (entry.data.kind === 'created') this.#created.add(entry.data.name)
      else this.#created.delete(entry.data.name)
    }
    for (const name of this.#created) await this.#open(name)
  }

  async #open(name: SiteName): Promise<Site> {
    const known = this.#sites.get(name)
    if (known) return known
    const { store, blobs } = this.#options
    const versions = await openSiteVersions(store, store.root, blobs, { owner: siteOwner, name })
    const site = { name, versions, events: await SiteEvents.open(store, siteOwner, name) }
    this.#sites.set(name, site)
    return site
  }

  async #append(kind: 'created' | 'deleted', name: SiteName): Promise<void> {
    await this.#log.write(Buffer.from(JSON.stringify({ kind, name, atMs: this.#options.now() })))
  }
}

/** How a config says that a site is served. */
export function settingsOf(config: Config, name: SiteName): SiteSettings {
  const found = Object.hasOwn(config.sites, name) ? config.sites[name] : undefined
  return found ? { ...found, from: 'config' } : { ...defaultSettings, from: 'command' }
}

/** A site's name and authorities under a config. */
export function infoOf(config: Config, name: SiteName): SiteInfo {
  const own = `${name}.${config.domain}`
  const { authorities } = settingsOf(config, name)
  return { name, authorities: [own, ...authorities.filter((authority) => authority !== own)] }
}

const defaultSettings = parseConfig({ sites: { any: {} } }, 'the default config').sites['any'] as SiteConfig

/** Keyed by authority. When two sites claim one, throws `ERR_CONFIG_INVALID` or leaves it to the first, the config's. */
function authoritiesOf(
  config: Config,
  created: ReadonlySet<SiteName>,
  clash: 'refuse' | 'first' = 'refuse',
): Map<Authority, SiteName> {
  const owners = new Map<Authority, SiteName>()
  for (const name of new Set([...Object.keys(config.sites), ...created])) {
    for (const authority of infoOf(config, name).authorities) {
      const owner = owners.get(authority)
      if (owner === undefined) owners.set(authority, name)
      else if (clash === 'refuse')
        throw new GroveError('ERR_CONFIG_INVALID', `sites "${owner}" and "${name}" both claim the name ${authority}`)
    }
  }
  return owners
}
