/** Verifying logs and grants: every entry is read, and what the entries of a site come to is a site. */

import { isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { isSiteName, type SiteName } from '../../core/names.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { formatTs } from '../logs/timestamp.ts'
import type { GrantInfo, Ts } from '../store.ts'
import { decodeEntry } from '../versions/entry.ts'
import { versionsPath } from '../versions/site-log.ts'
import { afterEntry, emptySite, type SiteState } from '../versions/site-state.ts'
import type { Findings } from './report.ts'
import type { VerifyOptions } from './verify-options.ts'

const logHint = 'restore store.db from a backup; with a bucket, a new data folder can take the site over from its root'

/** Reads every log. Answers the owner's sites, keyed by name, those whose log could not be read without a state. */
export async function verifyLogs(
  options: VerifyOptions,
  findings: Findings,
): Promise<Map<SiteName, SiteState | undefined>> {
  const { store, handle, owner, signal } = options
  const sites = new Map<SiteName, SiteState | undefined>()
  const paths = await store.list(handle, '/')
  let done = 0
  await forEachParallel(paths, limits.verify.logs, async (path) => {
    signal?.throwIfAborted()
    const name = siteOf(owner, path)
    try {
      const state = await verifyLog(options, findings, path, name !== undefined)
      if (name !== undefined) sites.set(name, state)
    } catch (error) {
      findings.addError(`log ${path}`, error, logHint)
      if (name !== undefined) sites.set(name, undefined)
    }
    findings.counts.logs += 1
    done += 1
    options.onProgress?.({ what: 'logs', done, of: paths.length, bytes: findings.counts.bytes })
  })
  await verifyGrants(options, findings)
  return sites
}

function siteOf(owner: string, path: string): SiteName | undefined {
  const name = path.split('/')[3] ?? ''
  return isSiteName(name) && path === versionsPath(owner, name) ? name : undefined
}

/** Reads one log; the driver checks each row. Entries of a versions log have to follow each other. */
async function verifyLog(
  { store, handle }: VerifyOptions,
  findings: Findings,
  path: string,
  isSite: boolean,
): Promise<SiteState> {
  const log = await store.open(handle, path)
  try {
    // A prune while this reads trims what it has not come to yet: then there is a checkpoint to begin with.
    for (let attempt = 0; ; attempt += 1) {
      try {
        const { trimmed } = await log.stat()
        // Said in so many words: a read without a beginning would pass over what is trimmed just now.
        const after = trimmed?.upto ?? formatTs(store.id, 0)
        return await fold(log.read({ after }), findings, isSite, trimmed?.cover)
      } catch (error) {
        if (!isGroveError(error, 'ERR_TRIMMED') || attempt >= limits.store.conflictRetries) throw error
      }
    }
  } finally {
    await log.close()
  }
}

async function fold(
  entries: ReturnType<Awaited<ReturnType<VerifyOptions['store']['open']>>['read']>,
  findings: Findings,
  isSite: boolean,
  cover: Ts | undefined,
): Promise<SiteState> {
  let state = emptySite
  for await (const entry of entries) {
    findings.counts.entries += 1
    findings.counts.bytes += entry.data.length
    if (!isSite) continue
    const committed = decodeEntry(entry)
    // What stands before the checkpoint is told by it.
    if (cover === undefined || entry.ts >= cover) state = afterEntry(state, committed)
  }
  return state
}

/** Holds grants against their parents. The driver's own check sees all of them; this one as many as are listed. */
async function verifyGrants({ store, handle }: VerifyOptions, findings: Findings): Promise<void> {
  const hint = 'revoke what should not be, and make the grants anew; or restore store.db from a backup'
  try {
    const grants = await store.grants(handle, '/')
    findings.counts.grants = grants.length
    const known = new Map<string, GrantInfo>(grants.map((grant) => [grant.id, grant]))
    for (const grant of grants) {
      // One whose parent is not listed is left to the driver's own check.
      const parent = grant.parent === undefined ? undefined : known.get(grant.parent)
      const problem = parent && excess(grant, parent)
      if (problem) findings.add({ where: `grant ${grant.id}`, code: 'ERR_DATA_FORMAT', problem, hint })
    }
  } catch (error) {
    findings.addError('grants', error, hint)
  }
}

function excess(grant: GrantInfo, parent: GrantInfo): string | undefined {
  const isUnder = parent.path === '/' || grant.path === parent.path || grant.path.startsWith(`${parent.path}/`)
  if (!isUnder) return `its path ${grant.path} does not lie under ${parent.path} of grant ${parent.id}`
  if (grant.untilMs > parent.untilMs) return `it ends after grant ${parent.id}, from which it came`
  const more = grant.rights.filter((right) => !parent.rights.includes(right))
  if (more.length > 0) return `it has the rights ${more.join(', ')}, which grant ${parent.id} has not`
  return undefined
}
