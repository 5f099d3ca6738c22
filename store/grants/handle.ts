/**
 * Handles: bearer tokens for grants, `h1.<grantId>.<tag>` with tag = HMAC-SHA256(key, grantId).
 *
 * The store keeps no secret per grant, so a copy of the grants' records gives nobody a right; the key does. A handle
 * cannot be guessed or made from another; it can be stolen, and works until its grant is revoked or ends. That its tag
 * is right says only which grant it names: whether the grant is alive is asked in each transaction (grants.ts).
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import type { GrantId, Handle } from '../store.ts'

/** What tags are computed with. */
export interface HandleKeys {
  /** Kept with the store: handles of grants outlive the process. */
  readonly stored: Uint8Array
  /** Made anew by each process: the root handle is worth nothing once the process has ended. */
  readonly process: Uint8Array
}

/** The grant of everything; it has no record. */
export const rootGrantId: GrantId = 'root'

const maxChars = 256

/** The handle of a grant. */
export function handleOf(id: GrantId, keys: HandleKeys): Handle {
  return `h1.${id}.${tagOf(id, keys)}` as Handle
}

/** The grant that a handle names, or undefined when the handle was not made with these keys. Constant-time. */
export function grantIdOf(handle: Handle, keys: HandleKeys): GrantId | undefined {
  if (typeof handle !== 'string' || handle.length > maxChars) return undefined
  const [format, id, tag, ...rest] = handle.split('.')
  if (format !== 'h1' || id === undefined || tag === undefined || rest.length > 0) return undefined
  const given = Buffer.from(tag)
  const expected = Buffer.from(tagOf(id, keys))
  // The length of a tag is no secret. The texts are compared, not the bytes that they decode to: one handle, one form.
  return given.length === expected.length && timingSafeEqual(given, expected) ? id : undefined
}

function tagOf(id: GrantId, keys: HandleKeys): string {
  const key = id === rootGrantId ? keys.process : keys.stored
  return createHmac('sha256', key).update(`grove-handle\n1\n${id}`).digest('base64url')
}
