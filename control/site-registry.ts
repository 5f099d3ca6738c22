/**
 * All sites by name: those of the config and those made by commands. A site's own logs are opened when somebody wants
 * the site, and closed when others were wanted since; its name and settings are known without.
 *
 * A site is served when the config or the log `/sites` says so. A site that left the config keeps its data and comes
 * back with it; a site that was deleted keeps its logs, so that its plugins still hear of the end.
 */

import { z } from 'zod'
import type { Config } from '../core/config.ts'
import { GroveError } from '../core/errors.ts'
import { siteOwner } from '../core/grant-api.ts'
import { limits } from '../core/limits.ts'
import type { Authority, SiteName } from '../core/names.ts'
import type { SiteInfo } from '../core/plugin.ts'
import { openOwnLog } from '../store/logs/own-log.ts'
import type { Log, Store } from '../store/store.ts'
import type { SiteVersions } from '../store/versions/versions.ts'
import { OpenSites } from './open-sites.ts'
import type { Outstanding } from './outstanding.ts'
import { SiteDomains } from './site-domains.ts'
import { SiteEvents } from './site-events.ts'
import { checkNewSiteName } from './site-names.ts'
import { checkClaims, type FindSite, infoOf, type SiteSettings, settingsOf, siteFinder } from './site-settings.ts'
import { trackChanges } from './track-changes.ts'

const sitesLog = '/sites'

const entrySchema = z.object({ kind: z.enum(['created', 'deleted']), name: z.string(), atMs: z.number() })

/** A site with all that control keeps of it. */
export interface Site {
  readonly name: SiteName
  readonly versions: SiteVersions
  readonly events: SiteEvents
}

/** A site that stays open until it is disposed of. */
export interface HeldSite extends Site, Disposable {}

/** What a registry is made with. */
export interface RegistryOptions {
  readonly store: Store
  /** Opens the versions of a site, and makes their log when it is not there. */
  readonly openVersions: (owner: string, name: SiteName) => Promise<SiteVersions>
  /** Told of every change before it happens. */
  readonly outstanding: Pick<Outstanding, 'during'>
  readonly config: Config
  readonly now: () => number
  /** Takes away what else is kept of a site that is deleted; called twice, the second time when it is not served any more. */
  readonly forget?: (name: SiteName) => Promise<void>
  /** A deletion is over, done or not. */
  readonly forgotten?: (name: SiteName) => void
  /** A site could not be closed. */
  readonly failed: (name: SiteName, error: unknown) => void
  /** @default limits.control.openSites */
  readonly mostOpen?: number
}

/** All sites by name and by authority. Changes to one name must come one after the other: see {@link Turns}. */
export class SiteRegistry implements AsyncDisposable {
  /** Domains that authors brought. */
  readonly domains: SiteDomains
  readonly #options: RegistryOptions
  readonly #log: Log
  readonly #open: OpenSites<Site & AsyncDisposable>
  readonly #created = new Set<SiteName>()
  #config: Config
  #find: FindSite
  /** Of the config in force, sorted; undefined when it has to be made anew. */
  #names: readonly SiteName[] | undefined
  #namesRevision = 0

  private constructor(options: RegistryOptions, log: Log, domains: SiteDomains) {
    this.domains = domains
    this.#options = options
    this.#config = options.config
    this.#find = this.#finder(options.config)
    this.#log = log
    this.#open = new OpenSites({
      open: (name) => this.#openSite(name),
      most: options.mostOpen ?? limits.control.openSites,
      failed: options.failed,
    })
  }

  /** Opens the registry. Throws `ERR_CONFIG_INVALID` when the config takes a name that a site has. */
  static async open(options: RegistryOptions): Promise<SiteRegistry> {
    const { store, now } = options
    const log = await openOwnLog(store, store.root, sitesLog)
    const registry = new SiteRegistry(options, log, await SiteDomains.open(store, now))
    try {
      await registry.#readCreated()
      registry.prepare(options.config)
      return registry
    } catch (error) {
      await registry[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Opens a site and holds it, served or not. */
  async hold(name: SiteName): Promise<HeldSite> {
    const held = await this.#open.hold(name)
    const { versions, events } = held.value
    return { name, versions, events, [Symbol.dispose]: () => held[Symbol.dispose]() }
  }

  /** Opens a site and holds it, or answers undefined when it is not served. */
  async get(name: SiteName): Promise<HeldSite | undefined> {
    return this.serves(name) ? this.hold(name) : undefined
  }

  /** Opens a site and holds it. Throws `ERR_SITE_UNKNOWN` when it is not served. */
  async need(name: SiteName): Promise<HeldSite> {
    const site = await this.get(name)
    if (site) return site
    const hint = 'grove site list shows all sites'
    throw new GroveError('ERR_SITE_UNKNOWN', `there is no site "${name}"`, { details: { site: name }, hint })
  }

  /** Whether the config or a command made the site and nothing has ended it. */
  serves(name: SiteName): boolean {
    return this.#created.has(name) || Object.hasOwn(this.#config.sites, name)
  }

  /** Sites that commands made and that nothing has ended: they are served under every config. */
  get created(): ReadonlySet<SiteName> {
    return this.#created
  }

  /** Names of all sites that are served, sorted; another array whenever one of them may have other authorities. */
  get names(): readonly SiteName[] {
    if (this.#namesRevision !== this.domains.revision) this.#names = undefined
    this.#namesRevision = this.domains.revision
    this.#names ??= [...new Set([...this.#created, ...Object.keys(this.#config.sites)])].sort()
    return this.#names
  }

  /** Names of all sites that have data, served or not, sorted. Asks the store, which takes time in proportion to them. */
  async everyName(): Promise<SiteName[]> {
    const { store } = this.#options
    const paths = await store.list(store.root, `${sitesLog}/${siteOwner}`)
    return paths.flatMap((path) => {
      const [, , , name, kind] = path.split('/')
      return name !== undefined && kind === 'versions' ? name : []
    })
  }

  /** How many sites are open. */
  get openCount(): number {
    return this.#open.size
  }

  /** The name and authorities of a site, `<name>.<domain>` first; also of one that is not served any more. */
  info(name: SiteName): SiteInfo {
    return infoOf(this.#config, name, this.domains.of(name))
  }

  /** How a site is served. */
  settings(name: SiteName): SiteSettings {
    return settingsOf(this.#config, name)
  }

  /** The site that a name leads to. */
  siteAt(authority: Authority): SiteName | undefined {
    return this.#find(authority)
  }

  /** Checks that a site can be made. Throws `ERR_SITE_EXISTS`, `ERR_SITE_NAME`, or `ERR_TOO_MANY` over `limits.control.sites`. */
  checkNew(name: SiteName): void {
    checkNewSiteName(name)
    if (this.serves(name))
      throw new GroveError('ERR_SITE_EXISTS', `there is a site "${name}" already`, {
        hint: `publish to it with: grove publish <folder> --site ${name}`,
      })
    const authority = `${name}.${this.#config.domain}`
    const owner = this.#find(authority)
    if (owner !== undefined)
      throw new GroveError('ERR_SITE_EXISTS', `site "${owner}" has the name ${authority} already`)
    if (this.#created.size + Object.keys(this.#config.sites).length >= limits.control.sites)
      throw new GroveError('ERR_TOO_MANY', `there are ${limits.control.sites} sites, the most that one host serves`)
  }

  /** Makes a site by command. Throws as {@link SiteRegistry.checkNew} does. */
  async create(name: SiteName): Promise<void> {
    this.checkNew(name)
    using _ = await this.hold(name)
    await this.#append('created', name)
    this.#created.add(name)
    this.#names = undefined
  }

  /** Ends a site that a command made: its versions go, its numbers are not used again. Throws `ERR_SITE_UNKNOWN`, `ERR_CONFLICT`. */
  async delete(name: SiteName): Promise<void> {
    using site = await this.need(name)
    if (Object.hasOwn(this.#config.sites, name)) {
      const hint = 'take it out of the config and run grove reload'
      throw new GroveError('ERR_CONFLICT', `site "${name}" is in the config`, { hint })
    }
    // The tombstone first: a crash in between leaves an empty site, never one that comes back with its old content.
    if (site.versions.versions.length > 0) await site.versions.delete({ atMs: this.#options.now() })
    await this.domains.removeAll(name)
    const { forget, forgotten } = this.#options
    try {
      // Before it is gone for good: whoever makes one of its name must find nothing of it, whatever happens here.
      await forget?.(name)
      await this.#append('deleted', name)
      this.#created.delete(name)
      this.#names = undefined
      // What its code was in the middle of.
      await forget?.(name)
    } finally {
      forgotten?.(name)
    }
  }

  /** Checks that a config fits the sites that commands made. Throws `ERR_CONFIG_INVALID`. */
  prepare(config: Config): void {
    checkClaims(config, this.#created)
  }

  /** Serves as a prepared config says, from now on. A name that a site was made with since then stays with the config's. */
  use(config: Config): void {
    this.#find = this.#finder(config)
    this.#config = config
    this.#names = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open[Symbol.asyncDispose]()
    await this.domains[Symbol.asyncDispose]()
    await this.#log.close()
  }

  #finder(config: Config): FindSite {
    return siteFinder(config, this.#created, (authority) => this.domains.owner(authority))
  }

  async #readCreated(): Promise<void> {
    for await (const { data } of this.#log.read()) {
      const entry = entrySchema.safeParse(JSON.parse(Buffer.from(data).toString('utf8')))
      if (!entry.success) throw new GroveError('ERR_DATA_FORMAT', `${sitesLog} has an entry that is no event of sites`)
      if (entry.data.kind === 'created') this.#created.add(entry.data.name)
      else this.#created.delete(entry.data.name)
    }
  }

  async #openSite(name: SiteName): Promise<Site & AsyncDisposable> {
    const { store, openVersions, outstanding } = this.#options
    const versions = await openVersions(siteOwner, name)
    try {
      const events = await SiteEvents.open(store, siteOwner, name)
      return {
        name,
        versions: trackChanges(versions, (change) => outstanding.during(name, change)),
        events,
        async [Symbol.asyncDispose]() {
          await versions[Symbol.asyncDispose]()
          await events[Symbol.asyncDispose]()
        },
      }
    } catch (error) {
      await versions[Symbol.asyncDispose]()
      throw error
    }
  }

  async #append(kind: 'created' | 'deleted', name: SiteName): Promise<void> {
    await this.#log.write(Buffer.from(JSON.stringify({ kind, name, atMs: this.#options.now() })))
  }
}
