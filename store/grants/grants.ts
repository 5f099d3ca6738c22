/**
 * Who may do what: a handle is worth what its caveats and its whole chain of grants, up to the root, allow at this moment.
 *
 * A child is checked against its parent when it is made, and the whole chain again at every use, inside the
 * transaction of the use. So a revocation is ordered with writes: nothing under the revoked grant is written later.
 * A grant ends by the machine's clock, with no allowance. It defends against a holder of a handle; not against whoever
 * can write the store's file or set the machine's clock.
 */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { GrantRecord, Records } from '../logs/records.ts'
import { covers } from '../logs/store-path.ts'
import type { Caveats, Claim, DenialReason, GrantId, GrantOptions, Handle, Right } from '../store.ts'
import { allRights } from './caveats.ts'
import { denied } from './denial.ts'
import { type HandleKeys, type OpenedHandle, openHandle, rootGrantId } from './handle.ts'
import { quotaRefusal } from './quotas.ts'

/** What rights are checked against. */
export interface GrantSource {
  readonly records: Pick<Records, 'grant'>
  readonly keys: HandleKeys
  /** What a handle says, from a memory of those that were found good. @default openHandle with the keys */
  readonly open?: (handle: Handle) => OpenedHandle | undefined
  /** Ms since the epoch. */
  readonly now: () => number
}

/** What a handle stands for. Something is allowed when each of its grants and each of its caveats allows it. */
export interface GrantChain {
  /** The grant's id. */
  readonly id: GrantId
  /** The grant first, then its ancestors, the root last. All of them alive. */
  readonly grants: readonly [GrantRecord, ...GrantRecord[]]
  readonly caveats: readonly Caveats[]
}

/** What is left of a grant's rights by all that is above it and by its handle's caveats. */
export interface Allowance {
  readonly path: string
  readonly rights: readonly Right[]
  readonly untilMs: number
}

const root: GrantRecord = {
  id: rootGrantId,
  parent: undefined,
  path: '/',
  untilMs: Number.MAX_SAFE_INTEGER,
  read: true,
  write: true,
  grant: true,
  label: 'the host itself',
  madeAtMs: 0,
  maxBytes: undefined,
  maxWrites: undefined,
  usedBytes: 0,
  usedWrites: 0,
  revokedSeq: undefined,
}

/** The chain of a handle. Throws `ERR_DENIED` with the reason handle, revoked or expired. */
export function chainOf(source: GrantSource, handle: Handle): GrantChain {
  const named = opened(source, handle)
  const leaf = named && grantOf(source, named.id)
  if (!leaf) throw denied('handle', 'the handle is not one that this store made, or it was altered')
  const { id } = leaf
  const chain: GrantChain = { id, grants: [leaf, ...ancestorsOf(source, leaf)], caveats: named.caveats }
  const revoked = chain.grants.find((grant) => grant.revokedSeq !== undefined)
  if (revoked) {
    const above = revoked === leaf ? '' : ` with ${nameOf(revoked)} above it`
    throw denied('revoked', `${nameOf(leaf)} was revoked${above}`, { grant: id })
  }
  const nowMs = source.now()
  const { untilMs } = allowanceOf(chain)
  if (untilMs <= nowMs) {
    const times = `ended at ${timeOf(untilMs)}; it is ${timeOf(nowMs)} now`
    throw denied('expired', `${nameOf(leaf)} ${times}`, { grant: id, untilMs })
  }
  return chain
}

/** What a chain allows, as one path, rights and an end. Paths that exclude each other leave no rights. */
export function allowanceOf({ grants, caveats }: GrantChain): Allowance {
  let { path } = grants[0]
  let rights = allRights.filter((right) => grants.every((grant) => grant[right]))
  let untilMs = Math.min(...grants.map((grant) => grant.untilMs))
  for (const caveat of caveats) {
    if (caveat.path !== undefined && covers(path, caveat.path)) path = caveat.path
    else if (caveat.path !== undefined && !covers(caveat.path, path)) rights = []
    rights = rights.filter((right) => caveat.rights?.includes(right) ?? true)
    untilMs = Math.min(untilMs, caveat.untilMs ?? untilMs)
  }
  return { path, rights, untilMs }
}

/** Why a chain does not allow something on a path, or undefined if it does. */
export function refusal(chain: GrantChain, right: Right, path: string, claim: Claim = {}): DenialReason | undefined {
  return refusalError(chain, right, path, claim)?.details?.['reason'] as DenialReason | undefined
}

/**
 * The chain of a handle that has a right on a path. `claim` is what is about to be written: caveats on contents and
 * quotas are held against it, and nothing is counted. Throws `ERR_DENIED`.
 */
export function requireRight(
  source: GrantSource,
  handle: Handle,
  right: Right,
  path: string,
  claim: Claim = {},
): GrantChain {
  const chain = chainOf(source, handle)
  const error = refusalError(chain, right, path, claim)
  if (error) throw error
  return chain
}

/** Checks that a handle is the root's, and not narrowed. Throws `ERR_DENIED`. */
export function requireRoot(source: GrantSource, handle: Handle): void {
  const { id, caveats, grants } = chainOf(source, handle)
  if (id === rootGrantId && caveats.length === 0) return
  throw denied('rights', `${nameOf(grants[0])} is not the root, which alone may do this`, { grant: id })
}

/**
 * Checks that a child exceeds its parent in nothing: path, rights, time, quotas. Throws `ERR_DENIED`, or `ERR_TOO_MANY`
 * when the chain would be longer than `limits.store.grantDepth`.
 */
export function requireChild(chain: GrantChain, options: GrantOptions): void {
  const error = refusalError(chain, 'grant', options.path, {})
  if (error) throw error
  const { id, grants } = chain
  const parent = nameOf(grants[0])
  const allowed = allowanceOf(chain)
  for (const right of allRights) {
    if (options[right] && !allowed.rights.includes(right))
      throw denied('rights', `${parent} allows ${wordsOf(allowed.rights)}; it cannot give ${right}`, { grant: id })
  }
  if (options.untilMs > allowed.untilMs) {
    const times = `ends at ${timeOf(allowed.untilMs)}; a child cannot last until ${timeOf(options.untilMs)}`
    throw denied('expired', `${parent} ${times}`, { grant: id, untilMs: allowed.untilMs })
  }
  for (const quota of ['maxBytes', 'maxWrites'] as const) {
    const asked = options[quota] ?? 0
    const most = Math.min(...grants.map((grant) => grant[quota] ?? Number.POSITIVE_INFINITY))
    if (asked > most)
      throw denied('quota', `${parent} has a ${quota} of ${most}; a child cannot have ${asked}`, { grant: id })
  }
  if (grants.length >= limits.store.grantDepth)
    throw new GroveError('ERR_TOO_MANY', `chain of more than ${limits.store.grantDepth} grants`)
}

/**
 * Checks that a chain may revoke a grant: it is the grant itself, an ancestor, or may grant on the parent's path. A
 * narrowed handle needs to grant in any case, on the target's own path for what lies under its grant, and cannot end
 * its own grant: that is more than it was given. Throws `ERR_DENIED`.
 */
export function requireRevoker(source: GrantSource, chain: GrantChain, target: GrantRecord): void {
  const ancestors = ancestorsOf(source, target)
  const parent = ancestors[0]
  if (!parent) throw denied('rights', 'the root grant cannot be revoked', { grant: target.id })
  const isAbove = ancestors.some((grant) => grant.id === chain.id)
  const isNarrowed = chain.caveats.length > 0
  const isItself = chain.id === target.id
  if (!isNarrowed && (isAbove || isItself)) return
  const error = refusalError(chain, 'grant', isAbove ? target.path : parent.path, {})
  if (error) throw error
  if (isItself) throw denied('rights', `a narrowed handle of ${nameOf(target)} cannot end it`, { grant: target.id })
}

/** The grant that a handle or an id names, alive or not. Throws `ERR_DENIED` (reason handle), `ERR_NOT_FOUND` for an id. */
export function namedGrant(source: GrantSource, target: Handle | GrantId): GrantRecord {
  if (typeof target === 'string' && idPattern.test(target)) {
    const grant = grantOf(source, target)
    if (!grant) throw new GroveError('ERR_NOT_FOUND', `there is no grant ${target}`)
    return grant
  }
  const named = opened(source, target as Handle)
  const grant = named && grantOf(source, named.id)
  if (!grant) throw denied('handle', 'the handle is not one that this store made, or it was altered')
  return grant
}

function opened(source: GrantSource, handle: Handle): OpenedHandle | undefined {
  return source.open ? source.open(handle) : openHandle(handle, source.keys)
}

/** The parent first, the root last. Throws `ERR_DATA_FORMAT` when the records do not lead to the root. */
export function ancestorsOf(source: Pick<GrantSource, 'records'>, grant: GrantRecord): GrantRecord[] {
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

/** The form of ids, 128 random bits in base64url, and that of the root. A handle has dots and is never one. */
const idPattern = /^(?:[A-Za-z0-9_-]{22}|root)$/

function grantOf({ records }: Pick<GrantSource, 'records'>, id: GrantId): GrantRecord | undefined {
  return id === rootGrantId ? root : records.grant(id)
}

/** The checks in the order in which they are told: right, path, content, quota. */
function refusalError(chain: GrantChain, right: Right, path: string, claim: Claim): GroveError | undefined {
  const { id, grants, caveats } = chain
  const allowed = allowanceOf(chain)
  const name = nameOf(grants[0])
  if (!allowed.rights.includes(right))
    return denied('rights', `${name} allows ${wordsOf(allowed.rights)}, not to ${right} ${path}`, {
      grant: id,
      allowed: allowed.rights,
      right,
      path,
    })
  if (![...grants, ...caveats].every((one) => one.path === undefined || covers(one.path, path)))
    return denied('path', `${name} is for ${allowed.path} and what lies under it, not for ${path}`, {
      grant: id,
      allowed: allowed.path,
      path,
    })
  return right === 'read' ? undefined : contentRefusal(chain, right, claim)
}

/** Reading takes nothing, so it is not bound by contents and quotas. */
function contentRefusal(
  { id, grants, caveats }: GrantChain,
  right: 'write' | 'grant',
  claim: Claim,
): GroveError | undefined {
  const name = nameOf(grants[0])
  for (const caveat of caveats) {
    // A child grant has no place for these two caveats: it would allow more than the handle that made it.
    if (right === 'grant' && (caveat.hash !== undefined || caveat.bytes !== undefined))
      return denied('content', `${name} is narrowed to contents and cannot make grants`, { grant: id })
    if (caveat.hash !== undefined && claim.hash !== caveat.hash) {
      const message = `${name} is narrowed to the content ${caveat.hash}, not ${claim.hash ?? 'something without a hash'}`
      return denied('content', message, { grant: id, allowed: caveat.hash })
    }
    if (caveat.bytes !== undefined && (claim.bytes ?? 0) > caveat.bytes) {
      const message = `${name} is narrowed to ${caveat.bytes} bytes in one write, not ${claim.bytes}`
      return denied('quota', message, { grant: id, allowed: caveat.bytes })
    }
  }
  return right === 'grant' ? undefined : quotaRefusal([{ grants, bytes: claim.bytes ?? 0, writes: 1 }])
}

function nameOf({ id, label }: GrantRecord): string {
  return label === '' ? `grant ${id}` : `grant ${id} (${label})`
}

function wordsOf(rights: readonly Right[]): string {
  return rights.join(' and ') || 'nothing'
}

/** As ISO 8601; beyond all dates for the root. */
function timeOf(ms: number): string {
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? 'no time' : date.toISOString()
}
