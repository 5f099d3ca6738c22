/** What people are shown when all is up. */

import type { OwnCa } from '../certs/own-ca.ts'
import type { SiteSummary } from '../core/admin-api.ts'
import { limits } from '../core/limits.ts'

/** Lines with the addresses of sites and with the root certificate that browsers have to trust. */
export function bannerLines(sites: readonly SiteSummary[], ca: Pick<OwnCa, 'rootFile' | 'fingerprint'>): string[] {
  const urls = sites.flatMap(({ urls }) => urls.slice(0, 1))
  const more = urls.length - limits.control.bannerUrls
  return [
    ...urls.slice(0, limits.control.bannerUrls),
    ...(more > 0 ? [`and ${more} more: grove site list`] : []),
    ...(urls.length === 0 ? ['no sites yet: grove publish <folder> --site <name>'] : []),
    `root certificate: ${ca.rootFile} (SHA-256 ${ca.fingerprint})`,
  ]
}
