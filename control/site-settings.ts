/** How a config says that sites are served, and which names lead to them. Pure. */

import { type Config, parseConfig, type SiteConfig } from '../core/config.ts'
import { GroveError } from '../core/errors.ts'
import type { Authority, SiteName } from '../core/names.ts'
import type { SiteInfo } from '../core/plugin.ts'

/** How a site is served: from the config, or by default. */
export interface SiteSettings extends SiteConfig {
  /** Where the site was made. */
  readonly from: 'config' | 'command'
}

/** How sites are served that the config says nothing of. */
export const defaultSettings: SiteConfig = parseConfig({ sites: { any: {} } }, 'the default config').sites[
  'any'
] as SiteConfig

/** How a config says that a site is served. */
export function settingsOf(config: Config, name: SiteName): SiteSettings {
  const found = Object.hasOwn(config.sites, name) ? config.sites[name] : undefined
  return found ? { ...found, from: 'config' } : { ...defaultSettings, from: 'command' }
}

/**
 * A site's name and authorities under a config, `<name>.<domain>` first. `proven`: domains that its authors brought; of
 * those the ones that the config leaves to them.
 */
export function infoOf(config: Config, name: SiteName, proven: readonly Authority[] = []): SiteInfo {
  const own = `${name}.${config.domain}`
  const { authorities } = settingsOf(config, name)
  const more = proven.filter((domain) => !isOfConfig(config, domain))
  return { name, authorities: [own, ...authorities.filter((authority) => authority !== own), ...more] }
}

/** Whether the config decides where a name leads: one that it gives to a site, its domain, and all under that. */
export function isOfConfig(config: Config, name: Authority): boolean {
  return name === config.domain || name.endsWith(`.${config.domain}`) || ownersOf(config).has(name)
}

/** Names that a config gives to sites; made once for each config. */
const madeOwners = new WeakMap<Config, ReadonlyMap<Authority, SiteName>>()

function ownersOf(config: Config): ReadonlyMap<Authority, SiteName> {
  const known = madeOwners.get(config)
  if (known) return known
  const made = new Map<Authority, SiteName>()
  for (const name of Object.keys(config.sites))
    for (const authority of infoOf(config, name).authorities) if (!made.has(authority)) made.set(authority, name)
  madeOwners.set(config, made)
  return made
}

/** From an authority to the site that it leads to. */
export type FindSite = (authority: Authority) => SiteName | undefined

/**
 * Finds sites of a config, and those of `created`, by authority. A name that both claim leads to the config's. Only the
 * config's names are listed: those of created sites follow from the sites' own. Last come the domains that authors have
 * proven, which `prover` knows.
 */
export function siteFinder(config: Config, created: ReadonlySet<SiteName>, prover: FindSite = nobody): FindSite {
  const owners = ownersOf(config)
  const suffix = `.${config.domain}`
  return (authority) => {
    const owner = owners.get(authority)
    if (owner !== undefined) return owner
    const name = authority.endsWith(suffix) ? authority.slice(0, -suffix.length) : ''
    if (created.has(name)) return name
    const site = prover(authority)
    if (site === undefined || isOfConfig(config, authority)) return undefined
    return created.has(site) || Object.hasOwn(config.sites, site) ? site : undefined
  }
}

const nobody: FindSite = () => undefined

/** Throws `ERR_CONFIG_INVALID` when a config's site claims the name of a created one, or two of the config's claim one. */
export function checkClaims(config: Config, created: ReadonlySet<SiteName>): void {
  const owners = new Map<Authority, SiteName>()
  const suffix = `.${config.domain}`
  for (const name of Object.keys(config.sites))
    for (const authority of infoOf(config, name).authorities) {
      const label = authority.endsWith(suffix) ? authority.slice(0, -suffix.length) : ''
      const other = owners.get(authority) ?? (created.has(label) && label !== name ? label : undefined)
      if (other !== undefined)
        throw new GroveError('ERR_CONFIG_INVALID', `sites "${name}" and "${other}" both claim the name ${authority}`)
      owners.set(authority, name)
    }
}
