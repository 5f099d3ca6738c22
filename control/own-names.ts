/** What the own CA signs for, besides the names of one's own network. */

import type { Config } from '../core/config.ts'

/** The domain, with all sites under it, and the sites' further authorities. */
export function ownNames({ domain, sites }: Config): string[] {
  return [domain, ...Object.values(sites).flatMap(({ authorities }) => authorities)]
}
