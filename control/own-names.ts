/** What the own CA signs for, besides the names of one's own network. */

import { constraintBytes, encodeConstraints, toConstraints } from '../certs/name-constraints.ts'
import { isPublicName } from '../certs/policy.ts'
import type { Config } from '../core/config.ts'
import { limits } from '../core/limits.ts'

/**
 * The domain, with all sites under it, the sites' further authorities, what the config names for it, and as many domains
 * that authors have proven as there is room for; but none that are a public CA's, as long as there is one. Throws as
 * {@link toConstraints}.
 */
export function ownNames({ domain, sites, certs }: Config, proven: Iterable<string> = []): string[] {
  const all = [domain, ...Object.values(sites).flatMap(({ authorities }) => authorities)]
  if (certs.acme !== false) return [...all.filter((name) => !isPublicName(name)), ...certs.own.domains]
  const names = [...all, ...certs.own.domains]
  // What an author brings must never be the reason why the operator's own names do not fit.
  let leftBytes = limits.cert.constraintBytes - encodeConstraints(toConstraints(names)).length - lengthBytes
  for (const one of proven) {
    const bytes = constraintBytes(one)
    if (bytes > leftBytes) continue
    leftBytes -= bytes
    names.push(one)
  }
  return names
}

/** How much longer the lengths at the front of a longer list are, at most. */
const lengthBytes = 8
