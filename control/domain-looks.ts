/** Looking for the records of domains: so many questions to the DNS at a time, of which no site can take all. */

import { checkOwnership, type OwnershipRecord, type ResolveTxt } from '../certs/ownership.ts'
import { GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import { createTurnstile } from '../core/turnstile.ts'
import type { Environment } from '../store/environment.ts'
import type { DomainLook } from './domain-view.ts'

/** What looking needs. */
export interface DomainLooksOptions {
  readonly environment: Pick<Environment, 'sleep'>
  readonly resolveTxt: ResolveTxt
}

/**
 * Looks for a site's record: what the DNS says, or why it says nothing. Rejects with `ERR_TOO_MANY` when the site, or all
 * together, wait for too many, and with the signal's reason.
 */
export type LookForRecord = (site: SiteName, record: OwnershipRecord, signal: AbortSignal) => Promise<DomainLook>

/** Looks that share the bounds of `limits.domains`. */
export function createDomainLooks({ environment, resolveTxt }: DomainLooksOptions): LookForRecord {
  const what = 'questions for records of domains'
  const line = createTurnstile({ parallel: limits.domains.parallel, most: limits.domains.waiting, what })
  /** Under way and in line, keyed by site. */
  const ofSites = new Map<SiteName, number>()

  async function look(record: OwnershipRecord, signal: AbortSignal): Promise<DomainLook> {
    try {
      return await checkOwnership(record, { environment, signal, resolveTxt })
    } catch (error) {
      if (isGroveError(error, 'ERR_DNS')) return { isProven: false, found: [], problem: error.message }
      throw error
    }
  }

  return async (site, record, signal) => {
    const own = ofSites.get(site) ?? 0
    if (own >= limits.domains.waitingOfSite)
      throw new GroveError('ERR_TOO_MANY', `site "${site}" waits for the records of ${own} domains already`)
    ofSites.set(site, own + 1)
    try {
      return await line.run(() => look(record, signal), signal)
    } finally {
      const left = (ofSites.get(site) ?? 1) - 1
      if (left > 0) ofSites.set(site, left)
      else ofSites.delete(site)
    }
  }
}
