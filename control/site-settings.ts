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

/** A site's name and authorities under a config, `<name>.<domain>` first. */
export function infoOf(config: Config, name: SiteName): SiteInfo {
  const own = `${name}.${config.domain}`
  const { authorities } = settingsOf(config, name)
  return { name, authorities: [own, ...authorities.filter((authority) => authority !== own)] }
}

/** From an authority to the site that it leads to. */
export type FindSite = (authority: Authority) => SiteName | undefined

/**
 * Finds sites of a config, and those of `created`, by authority. A name that both claim leads to the config's. Only the
 * config's names are listed: those of created sites follow from the sites' own.
 */
export function siteFinder(config: Config, created: ReadonlySet<SiteName>): FindSite {
  const owners = new Map<Authority, SiteName>()
  for (const name of Object.keys(config.sites))
    for (const authority of infoOf(config, name).authorities) if (!owners.has(authority)) owners.set(authority, name)
  const suffix = `.${config.domain}`
  return (authority) => {
    const owner = owners.get(authority)
    if (owner !== undefined) return owner
    const name = authority.endsWith(suffix) ? authority.slice(0, -suffix.length) : ''
    return created.has(name) ? name : undefined
  }
}

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
