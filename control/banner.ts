/** What people are shown when all is up. */

import type { OwnCa } from '../certs/own-ca.ts'
import { limits } from '../core/limits.ts'
import type { SiteViews } from './site-views.ts'

/** Lines with the addresses of sites, the root certificate that browsers have to trust, and what is to be known of it. */
export function bannerLines(
  sites: Pick<SiteViews, 'count' | 'firstUrls'>,
  ca: Pick<OwnCa, 'rootFile' | 'fingerprint' | 'notices'>,
  notices: readonly string[] = [],
): string[] {
  const urls = sites.firstUrls(limits.control.bannerUrls)
  const more = sites.count - urls.length
  return [
    ...urls,
    ...(more > 0 ? [`and ${more} more: grove site list`] : []),
    ...(urls.length === 0 ? ['no sites yet: grove publish <folder> --site <name>'] : []),
    `root certificate: ${ca.rootFile} (SHA-256 ${ca.fingerprint})`,
    ...ca.notices,
    ...notices,
  ]
}
