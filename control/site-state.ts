/** What a front has to know of one site. */

import type { Config } from '../core/config.ts'
import type { SiteState } from '../core/messages.ts'
import type { SiteName } from '../core/names.ts'
import { infoOf, settingsOf } from './site-registry.ts'

/**
 * The state of one site under a config. `live` is the version that fronts are to serve; `isUnavailable` when there is
 * one that they cannot be told now.
 */
export function siteStateOf(
  config: Config,
  name: SiteName,
  live: SiteState['live'],
  isUnavailable: boolean = false,
): SiteState {
  const { upstreams, timeoutMs, bodyBytes } = settingsOf(config, name)
  return {
    name,
    authorities: [...infoOf(config, name).authorities],
    ...(live && { live: { version: live.version, compiled: live.compiled } }),
    ...(isUnavailable && { unavailable: true }),
    upstreams,
    timeoutMs,
    bodyBytes,
  }
}
