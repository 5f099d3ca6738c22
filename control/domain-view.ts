/** Domains of authors as the control socket shows them. Pure. */

import type { OwnershipAnswer, OwnershipRecord } from '../certs/ownership.ts'
import type { CertificateRow } from '../core/cert-api.ts'
import type { SiteDomain } from '../core/domain-api.ts'
import { limits } from '../core/limits.ts'
import type { DomainRecord } from './site-domains.ts'

/** What the DNS said when it was just asked, or why it said nothing. */
export interface DomainLook extends OwnershipAnswer {
  readonly problem?: string
}

/** What is known of a domain. */
export interface KnownDomain {
  readonly kept: DomainRecord
  readonly record: OwnershipRecord
  /** Whether another site has proven it. */
  readonly isElsewhere: boolean
  /** Whether the config decides where it leads. */
  readonly isOverruled: boolean
  /** How certificates stand. */
  readonly rows: readonly CertificateRow[]
  /** Absent when the DNS was not asked. */
  readonly look?: DomainLook
}

/** A domain, as shown. */
export function domainView({ kept, record, isElsewhere, isOverruled, rows, look }: KnownDomain): SiteDomain {
  const { domain, addedAtMs, provenAtMs } = kept
  const isProven = provenAtMs !== undefined
  const row = isProven && !isOverruled ? rows.find(({ names }) => names.includes(domain)) : undefined
  return {
    domain,
    state: isProven ? (isOverruled ? 'overruled' : 'proven') : 'pending',
    record: { ...record },
    addedAtMs,
    ...(isProven && { provenAtMs }),
    isElsewhere,
    ...(look && !look.isProven && whatIsWrong(look, isProven)),
    ...(row && { certificate: certificateOf(row) }),
  }
}

function whatIsWrong({ found, problem }: DomainLook, isProven: boolean): Pick<SiteDomain, 'found' | 'problem'> {
  const said = problem ?? (isProven ? 'its record is gone; the domain stays' : undefined)
  return { found: found.slice(0, limits.domains.found), ...(said !== undefined && { problem: said }) }
}

function certificateOf(row: CertificateRow): NonNullable<SiteDomain['certificate']> {
  const { state, issuer, notAfterMs, lastError, nextTryAtMs } = row
  return {
    state,
    ...(issuer !== undefined && { issuer }),
    ...(notAfterMs !== undefined && { notAfterMs }),
    ...(lastError && { lastError: lastError.message }),
    ...(nextTryAtMs !== undefined && { nextTryAtMs }),
  }
}
