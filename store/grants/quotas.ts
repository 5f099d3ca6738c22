/**
 * Quotas: what may be written under a grant, counted on it and on every grant above it.
 *
 * Since each use counts on the whole chain, children together can never use more than their parent has, however many
 * there are. The count is changed in the transaction of the write itself: a write that fails has used nothing.
 */

import type { GroveError } from '../../core/errors.ts'
import type { GrantRecord, Records } from '../logs/records.ts'
import { denied } from './denial.ts'

/** What is about to be written under a grant and all above it. */
export interface QuotaUse {
  /** The grant first, the root last. */
  readonly grants: readonly GrantRecord[]
  readonly bytes: number
  readonly writes: number
}

/** Why some uses, all of them together, are more than a grant has left; or undefined when every one has enough. */
export function quotaRefusal(uses: readonly QuotaUse[]): GroveError | undefined {
  for (const { grant, bytes, writes } of perGrant(uses).values()) {
    const { id, maxBytes, maxWrites, usedBytes, usedWrites } = grant
    if (maxBytes !== undefined && usedBytes + bytes > maxBytes)
      return denied(
        'quota',
        `grant ${id} has ${Math.max(0, maxBytes - usedBytes)} of its ${maxBytes} bytes left, not ${bytes}`,
        { grant: id, maxBytes, usedBytes, bytes },
      )
    if (maxWrites !== undefined && usedWrites + writes > maxWrites)
      return denied(
        'quota',
        `grant ${id} has ${Math.max(0, maxWrites - usedWrites)} of its ${maxWrites} writes left, not ${writes}`,
        { grant: id, maxWrites, usedWrites, writes },
      )
  }
  return undefined
}

/** Counts one write of so many bytes on a chain. Only in a transaction. Throws `ERR_DENIED`; then nothing was counted. */
export function useQuota(
  source: { readonly records: Pick<Records, 'useGrant'> },
  chain: Pick<QuotaUse, 'grants'>,
  bytes: number,
): void {
  useQuotas(source, [{ grants: chain.grants, bytes, writes: 1 }])
}

/** Counts several writes, all or none. Only in a transaction. Throws `ERR_DENIED`; then nothing was counted. */
export function useQuotas(source: { readonly records: Pick<Records, 'useGrant'> }, uses: readonly QuotaUse[]): void {
  const refusal = quotaRefusal(uses)
  if (refusal) throw refusal
  for (const { grant, bytes, writes } of perGrant(uses).values()) source.records.useGrant(grant.id, bytes, writes)
}

interface Total {
  readonly grant: GrantRecord
  bytes: number
  writes: number
}

/** What each grant is asked for in all, keyed by id; without the root, which has no record and no bound. */
function perGrant(uses: readonly QuotaUse[]): Map<string, Total> {
  const totals = new Map<string, Total>()
  for (const { grants, bytes, writes } of uses) {
    for (const grant of grants) {
      if (grant.parent === undefined) continue
      const total = totals.get(grant.id) ?? { grant, bytes: 0, writes: 0 }
      total.bytes += bytes
      total.writes += writes
      totals.set(grant.id, total)
    }
  }
  return totals
}
