/** Everything that a front has to know. */

import type { Activator } from './activate.ts'
import { frontSettings } from './front-settings.ts'
import type { FrontState } from './fronts.ts'
import type { HostParts } from './host-parts.ts'
import type { Generation } from './reload.ts'
import { siteStateOf } from './site-state.ts'

/** The state of everything at one moment. */
export function frontStateOf(
  { loaded, number, ports }: Generation,
  { registry, keys, revocations }: Pick<HostParts, 'registry' | 'keys' | 'revocations'>,
  activator: Pick<Activator, 'live' | 'isUnavailable'>,
): FrontState {
  return {
    kind: 'state',
    settings: frontSettings(loaded, number, ports),
    keys: keys.current(),
    sites: registry
      .served()
      .map(({ name }) => siteStateOf(loaded.config, name, activator.live(name), activator.isUnavailable(name))),
    revocations: revocations.list(),
  }
}
