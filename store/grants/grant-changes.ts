/**
 * What changes grants and keys. Each change is told in the log `/grants`, in the same transaction, so what that log says
 * and what is in force never differ.
 *
 * An entry is one JSON object: `{ format: 1, kind, by, atMs, … }`, `by` being the grant under which it was done.
 *
 * | `kind` | further |
 * |---|---|
 * | `grant` | `id`, `parent`, `path`, `rights`, `untilMs`, `label`, `maxBytes?`, `maxWrites?` |
 * | `revoke` | `id`, `path`, `label`, `revoked` (how many grants were alive until then) |
 * | `key` | `kid`: the new one that signs |
 * | `drop-keys` | `kids`: those that are gone, with all their handles |
 */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { GrantRecord, KeyRecord, Records } from '../logs/records.ts'
import { toPrefix } from '../logs/store-path.ts'
import type { GrantId, GrantOptions, Handle } from '../store.ts'
import { allRights } from './caveats.ts'
import {
  ancestorsOf,
  chainOf,
  type GrantSource,
  namedGrant,
  requireChild,
  requireRevoker,
  requireRoot,
} from './grants.ts'
import { handleOf, nextKid, rootGrantId } from './handle.ts'

/** The log in which changes are told. */
export const grantsLogPath = '/grants'

/** What changes are made in. All calls run inside a transaction, and check everything before they write. */
export interface ChangeSource extends GrantSource {
  readonly records: Pick<Records, 'grant' | 'children' | 'addGrant' | 'revokeGrant' | 'keys' | 'addKey' | 'removeKey'>
  /** Appends an entry to `/grants` and answers its moment. */
  readonly tell: (data: Uint8Array, writer: GrantId) => number
}

/** Makes a child grant of an id that was not used before. Throws `ERR_DENIED`, `ERR_BAD_REQUEST`, `ERR_TOO_LARGE`. */
export function addGrant(source: ChangeSource, handle: Handle, options: GrantOptions, id: GrantId): Handle {
  checkOptions(options)
  const chain = chainOf(source, handle)
  requireChild(chain, options)
  const { path, untilMs, read = false, write = false, grant = false, label = '' } = options
  const parent = chain.grants[0]
  const record: GrantRecord = {
    id,
    parent: parent.id,
    path,
    untilMs,
    read,
    write,
    grant,
    label,
    madeAtMs: source.now(),
    // Without a bound of its own it has its parent's: the record never shows more than there can be.
    maxBytes: options.maxBytes ?? parent.maxBytes,
    maxWrites: options.maxWrites ?? parent.maxWrites,
    usedBytes: 0,
    usedWrites: 0,
    revokedSeq: undefined,
  }
  source.records.addGrant(record)
  const { maxBytes, maxWrites } = record
  const rights = allRights.filter((right) => record[right])
  tell(source, 'grant', chain.id, { id, parent: parent.id, path, rights, untilMs, label, maxBytes, maxWrites })
  return handleOf(id, source.keys)
}

/**
 * Ends a grant and all under it. Answers the moment, and how many grants were alive until then, counted up to
 * `limits.store.grantsCounted`; a repeat answers the first moment and none. Throws `ERR_DENIED`, `ERR_NOT_FOUND`.
 */
export function revokeGrant(
  source: ChangeSource,
  handle: Handle,
  target: Handle | GrantId,
): { readonly seq: number; readonly revoked: number } {
  const grant = namedGrant(source, target)
  // Whoever ended its own grant and lost the answer may ask again.
  if (grant.revokedSeq !== undefined && handle === target) return { seq: grant.revokedSeq, revoked: 0 }
  const chain = chainOf(source, handle)
  requireRevoker(source, chain, grant)
  if (grant.revokedSeq !== undefined) return { seq: grant.revokedSeq, revoked: 0 }
  const { id, path, label } = grant
  const revoked = countAlive(source, grant)
  const seq = tell(source, 'revoke', chain.id, { id, path, label, revoked })
  source.records.revokeGrant(id, seq)
  return { seq, revoked }
}

/** Makes the key that signs from now on; `key`: 32 random bytes. Throws `ERR_DENIED` for any handle but the root's. */
export function rotateKeys(source: ChangeSource, handle: Handle, key: Uint8Array): KeyRecord {
  requireRoot(source, handle)
  const record = { kid: nextKid(source.records.keys()), key, madeAtMs: source.now() }
  source.records.addKey(record)
  tell(source, 'key', rootGrantId, { kid: record.kid })
  return record
}

/** Forgets all keys but the newest and answers how many. Throws `ERR_DENIED` for any handle but the root's. */
export function dropKeys(source: ChangeSource, handle: Handle): number {
  requireRoot(source, handle)
  const kids = source.records
    .keys()
    .slice(0, -1)
    .map(({ kid }) => kid)
  if (kids.length === 0) return 0
  for (const kid of kids) source.records.removeKey(kid)
  tell(source, 'drop-keys', rootGrantId, { kids })
  return kids.length
}

function tell(source: ChangeSource, kind: string, by: GrantId, facts: Readonly<Record<string, unknown>>): number {
  const entry = { format: 1, kind, by, atMs: source.now(), ...facts }
  return source.tell(new TextEncoder().encode(JSON.stringify(entry)), by)
}

/** Control characters would let a label rewrite the terminal or the log that it is shown in. */
const labelPattern = /^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]*$/u

function checkOptions({ path, untilMs, label = '', maxBytes, maxWrites }: GrantOptions): void {
  toPrefix(path)
  if (!Number.isSafeInteger(untilMs) || Number.isNaN(new Date(untilMs).getTime()))
    throw new GroveError('ERR_BAD_REQUEST', `end of a grant is not a time in milliseconds: ${untilMs}`)
  if (label.length > limits.store.labelChars)
    throw new GroveError('ERR_TOO_LARGE', `label of more than ${limits.store.labelChars} characters`)
  if (!labelPattern.test(label)) throw new GroveError('ERR_BAD_REQUEST', 'label of a grant holds control characters')
  for (const quota of [maxBytes, maxWrites])
    if (quota !== undefined && !(Number.isSafeInteger(quota) && quota >= 0))
      throw new GroveError('ERR_BAD_REQUEST', `quota of a grant is not a whole number from 0: ${quota}`)
}

/** Grants of a subtree that are alive, at most `limits.store.grantsCounted`. */
function countAlive(source: ChangeSource, top: GrantRecord): number {
  const nowMs = source.now()
  if (ancestorsOf(source, top).some((grant) => isDead(grant, nowMs))) return 0
  let count = 0
  // The dead are not counted, and there may be many of them.
  let looks = 10 * limits.store.grantsCounted
  const waiting: GrantRecord[] = [top]
  for (let grant = waiting.pop(); grant && count < limits.store.grantsCounted; grant = waiting.pop()) {
    // What lies under a dead grant is dead with it.
    if (isDead(grant, nowMs)) continue
    count += 1
    const left = Math.min(limits.store.grantsCounted - count, looks)
    if (left === 0) continue
    for (const id of source.records.children(grant.id, left)) {
      looks -= 1
      const child = source.records.grant(id)
      if (child) waiting.push(child)
    }
  }
  return count
}

function isDead({ revokedSeq, untilMs }: GrantRecord, nowMs: number): boolean {
  return revokedSeq !== undefined || untilMs <= nowMs
}
