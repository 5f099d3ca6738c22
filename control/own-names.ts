/** What the own CA signs for, besides the names of one's own network. */

import { isPublicName } from '../certs/policy.ts'
import type { Config } from '../core/config.ts'

/**
 * The domain, with all sites under it, the sites' further authorities, and what the config names for it; but none that
 * are a public CA's, as long as there is one.
 */
export function ownNames({ domain, sites, certs }: Config): string[] {
  const all = [domain, ...Object.values(sites).flatMap(({ authorities }) => authorities)]
  return [...(certs.acme === false ? all : all.filter((name) => !isPublicName(name))), ...certs.own.domains]
}
