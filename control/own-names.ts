/** What the own CA signs for, besides the names of one's own network. */

import type { Config } from '../core/config.ts'

/** The domain, with all sites under it, the sites' further authorities, and the domains that the operator gave. */
export function ownNames({ domain, sites, certs }: Config): string[] {
  return [domain, ...Object.values(sites).flatMap(({ authorities }) => authorities), ...certs.own.domains]
}
