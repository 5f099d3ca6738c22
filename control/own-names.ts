/** What the own CA signs for, besides the names of one's own network. */

import { isPublicName } from '../certs/policy.ts'
import type { Config } from '../core/config.ts'
import { limits } from '../core/limits.ts'

/**
 * The domain, with all sites under it, the sites' further authorities, what the config names for it, and as many domains
 * that authors have proven as there is room for; but none that are a public CA's, as long as there is one.
 */
export function ownNames({ domain, sites, certs }: Config, proven: Iterable<string> = []): string[] {
  const all = [domain, ...Object.values(sites).flatMap(({ authorities }) => authorities)]
  if (certs.acme !== false) return [...all.filter((name) => !isPublicName(name)), ...certs.own.domains]
  const fromConfig = [...all, ...certs.own.domains]
  const room = Math.max(0, limits.cert.ownNames - fromConfig.length)
  return [...fromConfig, ...Iterator.from(proven).take(room)]
}
