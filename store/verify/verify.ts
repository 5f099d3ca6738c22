/**
 * Verifying a store: every hash and every reference of it is looked at, and nothing is changed.
 *
 * Entries of logs decode and follow each other; grants lead to their parents; every object that a site names is there,
 * whole, and every frame in it has its hash; every version's tree leads to nodes, and these to contents; roots in a
 * bucket name what is there; files of the cache are what their names say. It reads all objects once: with a bucket that
 * is one request for each, and all of its bytes.
 *
 * The store may be in use. What is published meanwhile is seen or not; what is removed meanwhile had no use for a day.
 */

import { createFindings, type VerifyReport } from './report.ts'
import { verifyLogs } from './verify-logs.ts'
import { countUnreferenced, verifyCache, verifyRoots } from './verify-objects.ts'
import type { VerifyOptions } from './verify-options.ts'
import { verifySite } from './verify-site.ts'

/**
 * Verifies a store. Damage is told in the report; throws `ERR_OBJECTS` when the bucket cannot be reached, `ERR_DENIED`,
 * `ERR_CLOSED`, and the signal's reason.
 */
export async function verifyStore(options: VerifyOptions): Promise<VerifyReport> {
  const findings = createFindings()
  const { counts } = findings
  for (const problem of options.databaseFaults ?? [])
    findings.add({ where: 'store.db', code: 'ERR_DATA_FORMAT', problem, hint: 'restore store.db from a backup' })
  const sites = await verifyLogs(options, findings)
  let done = 0
  for (const [name, state] of sites) {
    if (state && state.head !== undefined) {
      counts.sites += 1
      await verifySite(options, findings, { name, state })
    }
    done += 1
    options.onProgress?.({ what: 'sites', done, of: sites.size, bytes: counts.bytes })
  }
  const named = await verifyRoots(options, findings, sites)
  await countUnreferenced(options, findings, sites, named)
  options.onProgress?.({ what: 'objects', done: named.size, of: named.size, bytes: counts.bytes })
  await verifyCache(options, findings)
  return findings.report()
}
