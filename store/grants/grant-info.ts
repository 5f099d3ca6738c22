/** Grants as shown to people: no secrets, and what is dead is told as dead. */

import { limits } from '../../core/limits.ts'
import type { GrantRecord, Records } from '../logs/records.ts'
import { formatTs } from '../logs/timestamp.ts'
import type { GrantId, GrantInfo, Handle } from '../store.ts'
import { allRights } from './caveats.ts'
import {
  allowanceOf,
  ancestorsOf,
  chainOf,
  type GrantChain,
  type GrantSource,
  namedGrant,
  requireRight,
} from './grants.ts'

/** What infos are made from. */
export interface InfoSource extends GrantSource {
  readonly records: Pick<Records, 'grant' | 'grants' | 'storeId'>
}

/** A grant's record as shown, revoked or not. */
export function infoOf(source: InfoSource, record: GrantRecord): GrantInfo {
  const { revokedSeq, read: _read, write: _write, grant: _grant, ...shown } = record
  const revoked = [record, ...ancestorsOf(source, record)].find((grant) => grant.revokedSeq !== undefined)?.revokedSeq
  return {
    ...shown,
    rights: allRights.filter((right) => record[right]),
    revoked: revoked === undefined ? undefined : formatTs(source.records.storeId, revoked),
  }
}

/** The grant of a chain, narrowed by its handle's caveats. */
export function narrowedInfo(source: InfoSource, chain: GrantChain): GrantInfo {
  return { ...infoOf(source, chain.grants[0]), ...allowanceOf(chain) }
}

/** Grants whose path lies under a prefix, newest first. Throws `ERR_DENIED` without `grant` on it. */
export function listGrants(source: InfoSource, handle: Handle, prefix: string): GrantInfo[] {
  requireRight(source, handle, 'grant', prefix)
  return source.records.grants(prefix, limits.store.grantsListed).map((record) => infoOf(source, record))
}

/**
 * One grant, alive or not. A handle is shown its own grant and those below; others with `grant` on their path. Throws
 * `ERR_DENIED`, `ERR_NOT_FOUND` for an id.
 */
export function showGrant(source: InfoSource, handle: Handle, target: Handle | GrantId): GrantInfo {
  const { id } = chainOf(source, handle)
  const grant = namedGrant(source, target)
  const isItsOwn = [grant, ...ancestorsOf(source, grant)].some((one) => one.id === id)
  if (!isItsOwn) requireRight(source, handle, 'grant', grant.path)
  return infoOf(source, grant)
}
