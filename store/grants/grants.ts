/**
 * Who may do what: a handle is worth what its whole chain of grants, up to the root, allows at this moment.
 *
 * A child is checked against its parent when it is made, and the whole chain again at every use, inside the
 * transaction of the use. So a revocation is ordered with writes: nothing under the revoked grant is written later.
 * It defends against a holder of a handle; not against whoever can write the store's file.
 */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { GrantRecord, Records } from '../logs/records.ts'
import { covers } from '../logs/store-path.ts'
import type { GrantId, GrantOptions, Handle } from '../store.ts'
import { grantIdOf, type HandleKeys, rootGrantId } from './handle.ts'

/** What rights are checked against. */
export interface GrantSource {
  readonly records: Pick<Records, 'grant'>
  readonly keys: HandleKeys
  readonly now: () => number
}

/** One of the rights of a grant. */
export type Right = 'read' | 'write' | 'grant'

/** Why something is denied. `handle`: not one that this store made. */
export type DenialReason = 'handle' | 'revoked' | 'expired' | 'rights' | 'path'

/** A grant and its ancestors, the grant first, the root last. All of them alive. */
export type GrantChain = readonly [GrantRecord, ...GrantRecord[]]

const root: GrantRecord = {
  id: rootGrantId,
  parent: undefined,
  path: '/',
  untilMs: Number.MAX_SAFE_INTEGER,
  read: true,
  write: true,
  grant: true,
  label: 'the host itself',
  revokedSeq: undefined,
}

/** The chain of a handle. Throws `ERR_DENIED` with the reason handle, revoked or expired. */
export function chainOf(source: GrantSource, handle: Handle): GrantChain {
  const id = grantIdOf(handle, source.keys)
  const leaf = id === undefined ? undefined : grantOf(source, id)
  if (!leaf) throw denied('handle', 'the handle is not one of this store')
  const chain: [GrantRecord, ...GrantRecord[]] = [leaf, ...ancestorsOf(source, leaf)]
  const nowMs = source.now()
  const revoked = chain.find((grant) => grant.revokedSeq !== undefined)
  if (revoked) throw denied('revoked', `grant ${leaf.id} is revoked${revoked === leaf ? '' : ` with ${revoked.id}`}`)
  const expired = chain.find((grant) => grant.untilMs <= nowMs)
  if (expired) throw denied('expired', `grant ${leaf.id} ended at ${new Date(expired.untilMs).toISOString()}`)
  return chain
}

/** Why a chain does not allow something on a path, or undefined if it does. */
export function refusal(chain: GrantChain, right: Right, path: string): 'rights' | 'path' | undefined {
  if (!chain.every((grant) => grant[right])) return 'rights'
  if (!chain.every((grant) => covers(grant.path, path))) return 'path'
  return undefined
}

/** The grant of a handle that has a right on a path. Throws `ERR_DENIED`. */
export function requireRight(source: GrantSource, handle: Handle, right: Right, path: string): GrantId {
  const chain = chainOf(source, handle)
  const reason = refusal(chain, right, path)
  if (reason) throw denied(reason, `grant ${chain[0].id} has no right to ${right} ${path}`)
  return chain[0].id
}

/**
 * Checks that a child exceeds its parent in nothing: path, rights, time. Throws `ERR_DENIED`, or `ERR_TOO_MANY` when
 * the chain would be longer than `limits.store.grantDepth`.
 */
export function requireChild(chain: GrantChain, options: GrantOptions): void {
  const parent = chain[0]
  const reason = refusal(chain, 'grant', options.path)
  if (reason) throw denied(reason, `grant ${parent.id} has no right to grant ${options.path}`)
  for (const right of ['read', 'write', 'grant'] as const) {
    if (options[right] && !chain.every((grant) => grant[right]))
      throw denied('rights', `grant ${parent.id} has no right to ${right} and cannot give it`)
  }
  if (chain.some((grant) => options.untilMs > grant.untilMs))
    throw denied('expired', `a child of grant ${parent.id} cannot last longer than ${parent.untilMs}`)
  if (chain.length >= limits.store.grantDepth)
    throw new GroveError('ERR_TOO_MANY', `chain of more than ${limits.store.grantDepth} grants`)
}

/**
 * Checks that a chain may revoke a grant: it is the grant itself, an ancestor, or may grant on the parent's path.
 * Throws `ERR_DENIED`.
 */
export function requireRevoker(source: GrantSource, chain: GrantChain, target: GrantRecord): void {
  const revoker = chain[0]
  const ancestors = ancestorsOf(source, target)
  const parent = ancestors[0]
  if (!parent) throw denied('rights', 'the root grant cannot be revoked')
  if (revoker.id === target.id || ancestors.some((grant) => grant.id === revoker.id)) return
  const reason = refusal(chain, 'grant', parent.path)
  if (reason) throw denied(reason, `grant ${revoker.id} has no right to revoke ${target.id}`)
}

/** The grant that a handle names, alive or not. Throws `ERR_DENIED` with the reason handle. */
export function namedGrant(source: GrantSource, handle: Handle): GrantRecord {
  const id = grantIdOf(handle, source.keys)
  const grant = id === undefined ? undefined : grantOf(source, id)
  if (!grant) throw denied('handle', 'the handle is not one of this store')
  return grant
}

function grantOf(source: GrantSource, id: GrantId): GrantRecord | undefined {
  return id === rootGrantId ? root : source.records.grant(id)
}

/** The parent first, the root last. */
function ancestorsOf(source: GrantSource, grant: GrantRecord): GrantRecord[] {
  const ancestors: GrantRecord[] = []
  for (let id = grant.parent; id !== undefined; ) {
    const ancestor = grantOf(source, id)
    // A lost parent or a longer chain cannot have been written by us; nothing is allowed on the word of such a file.
    if (!ancestor || ancestors.length >= limits.store.grantDepth)
      throw new GroveError('ERR_DATA_FORMAT', `grant ${grant.id} has no whole chain to the root`)
    ancestors.push(ancestor)
    id = ancestor.parent
  }
  return ancestors
}

function denied(reason: DenialReason, message: string): GroveError {
  return new GroveError('ERR_DENIED', message, { details: { reason } })
}
