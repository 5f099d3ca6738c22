/** Everything that a front has to know. */

import type { ChallengeSet } from '../core/challenge-set.ts'
import type { SiteName } from '../core/names.ts'
import type { Activator } from './activate.ts'
import { frontSettings } from './front-settings.ts'
import type { FrontState } from './fronts.ts'
import type { HostParts } from './host-parts.ts'
import type { Generation } from './reload.ts'
import { defaultSettings } from './site-settings.ts'
import { siteStateOf } from './site-state.ts'

/** What a state is made from. */
export interface FrontStateOptions {
  readonly generation: Generation
  readonly host: Pick<HostParts, 'registry' | 'keys' | 'revocations'>
  readonly activator: Pick<Activator, 'told'>
  /** Sites that the front has loaded. */
  readonly loaded: ReadonlySet<SiteName>
  readonly challenges: ChallengeSet
}

/**
 * The state of everything at one moment. What is live is said of the sites that the front has loaded, as far as it is
 * known: all others it asks for when a visitor comes, and goes on with those of which nothing is outstanding.
 */
export function frontStateOf({ generation, host, activator, loaded, challenges }: FrontStateOptions): FrontState {
  const { loaded: config, number, ports } = generation
  const { registry, keys, revocations } = host
  const { upstreams, timeoutMs, bodyBytes } = defaultSettings
  const own = Object.keys(config.config.sites)
  const others = [...registry.created].filter((name) => !Object.hasOwn(config.config.sites, name))
  const hasDomains = (name: SiteName) => registry.domains.of(name).length > 0
  const names = others.filter((name) => !hasDomains(name))
  const told = [...own, ...others.filter((name) => loaded.has(name) || hasDomains(name))]
  return {
    kind: 'state',
    settings: frontSettings(config, number, ports),
    keys: keys.current(),
    names,
    defaults: { upstreams, timeoutMs, bodyBytes },
    sites: told.map((name) => siteStateOf(config.config, registry.domains, name, activator.told(name) ?? 'untold')),
    revocations: revocations.list(),
    challenges,
  }
}
