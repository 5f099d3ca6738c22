/** What a front has to know of one site. */

import type { Config } from '../core/config.ts'
import type { SiteState } from '../core/messages.ts'
import type { SiteName } from '../core/names.ts'
import type { SiteDomains } from './site-domains.ts'
import { infoOf, settingsOf } from './site-settings.ts'

/** What is live, as fronts are told it: a version, that there is one which cannot be told now, or that it is not said. */
export type ToldLive = NonNullable<SiteState['live']> | 'unavailable' | 'untold' | undefined

/** The state of one site under a config, with the domains that authors brought. `live`: undefined where nothing is. */
export function siteStateOf(
  config: Config,
  domains: Pick<SiteDomains, 'of'>,
  name: SiteName,
  live: ToldLive,
): SiteState {
  const { upstreams, timeoutMs, bodyBytes, clientCertificates, provesNames } = settingsOf(config, name)
  return {
    name,
    authorities: [...infoOf(config, name, domains.of(name)).authorities],
    ...(typeof live === 'object' && { live: liveOf(live, config.sandbox.enabled) }),
    ...(live === 'unavailable' && { unavailable: true }),
    ...(live === 'untold' && { untold: true }),
    upstreams,
    timeoutMs,
    bodyBytes,
    ...(clientCertificates && { clients: { ...clientCertificates } }),
    ...(provesNames && { provesNames }),
  }
}

/** Where no code runs, a version that has some is served as if it had none. */
function liveOf(
  { version, compiled, code }: NonNullable<SiteState['live']>,
  runsCode: boolean,
): NonNullable<SiteState['live']> {
  return { version, compiled, ...(code && runsCode && { code }) }
}
