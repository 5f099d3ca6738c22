/** What each site's code uses, counted where the code cannot reach: by the supervisor, the kernel and the fronts. */

import { limits } from '../../core/limits.ts'
import type { SiteName } from '../../core/names.ts'
import { setNewest } from '../../core/newest.ts'
import type { SiteUsage } from '../../core/supervisor-messages.ts'

/** Something that was used. */
export type UsageDelta = Partial<Omit<SiteUsage, 'site'>>

/** The accounts of all sites. */
export interface Accounts {
  /** Adds to a site's account; of `memoryPeakBytes` the larger counts. */
  add(site: SiteName, used: UsageDelta): void
  /** What was used since this was last called. Sites that used nothing are left out. */
  take(): SiteUsage[]
}

/** Accounts in which nothing stands. Sites beyond a bound push out those that were counted longest ago. */
export function createAccounts(): Accounts {
  let accounts = new Map<SiteName, SiteUsage>()
  return {
    add(site, used) {
      const before = accounts.get(site) ?? emptyUsage(site)
      const sum = { ...before }
      for (const [name, value] of Object.entries(used) as [keyof UsageDelta, number][])
        sum[name] = name === 'memoryPeakBytes' ? Math.max(before[name], value) : before[name] + value
      setNewest(accounts, site, sum, limits.sandboxProcess.remembered)
    },
    take() {
      const taken = [...accounts.values()]
      accounts = new Map()
      return taken
    },
  }
}

function emptyUsage(site: SiteName): SiteUsage {
  return {
    site,
    cpuMs: 0,
    memoryPeakBytes: 0,
    requests: 0,
    subrequests: 0,
    receivedBytes: 0,
    sentBytes: 0,
    egressBytes: 0,
    ingressBytes: 0,
    kills: 0,
  }
}
