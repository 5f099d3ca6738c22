/**
 * Handles: bearer tokens for grants, `grove_<kid>.<grantId>[.<caveat>…].<tag>`.
 *
 * The first tag is an HMAC of the grant's id with a key of the store; each caveat replaces the tag by an HMAC of its text
 * with the tag before it. So a holder can narrow a handle without asking anybody, and nobody can take a caveat away: the
 * tag before is not in the handle and cannot be computed back. (The construction is that of macaroons, Birgisson and
 * others, NDSS 2014.)
 *
 * The store keeps no secret per grant, so a copy of the grants' records gives nobody a right; the keys do. A handle
 * cannot be guessed; it can be stolen, and works until its grant is revoked or ends. That its tag is right says only
 * which grant it names and what is left of it: whether that is alive is asked in each transaction (grants.ts).
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { KeyRecord } from '../logs/records.ts'
import type { Caveats, GrantId, Handle } from '../store.ts'
import { readCaveat, writeCaveats } from './caveats.ts'

/** What tags are computed with. */
export interface HandleKeys {
  /** Kept with the store, oldest first: handles of grants outlive the process. The newest signs. */
  readonly stored: readonly KeyRecord[]
  /** Made anew by each process, 32 random bytes: the root handle is worth nothing once the process has ended. */
  readonly process: Uint8Array
}

/** A handle whose tag is right. */
export interface OpenedHandle {
  readonly id: GrantId
  /** In the order in which they were added; each takes away. */
  readonly caveats: readonly Caveats[]
}

/** The grant of everything; it has no record. */
export const rootGrantId: GrantId = 'root'

/** The id of the process's key. {@link nextKid} never makes it. */
const processKid = '0'

/** What every handle begins with, so that a scanner for leaked secrets finds it; docs/grants.md has the whole pattern. */
export const handlePrefix = 'grove_'

/** The last character of a tag holds four bits; with the others it would be another spelling of the same tag. */
const pattern =
  /^grove_([0-9a-z]{1,8})\.([A-Za-z0-9_-]{1,64})((?:\.[a-z][A-Za-z0-9_/~+-]*)*)\.([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])$/

/** The handle of a grant, made with the newest key. */
export function handleOf(id: GrantId, keys: HandleKeys): Handle {
  const newest = keys.stored.at(-1)
  if (id !== rootGrantId && newest === undefined)
    throw new GroveError('ERR_DATA_FORMAT', 'the store has no key for handles')
  const kid = id === rootGrantId || newest === undefined ? processKid : newest.kid
  const key = id === rootGrantId || newest === undefined ? keys.process : newest.key
  return `${handlePrefix}${kid}.${id}.${firstTag(key, kid, id).toString('base64url')}` as Handle
}

/**
 * What a handle says, or undefined when it was not made with one of these keys, was altered, or has a caveat that is not
 * known. Whoever tries handles learns nothing from the time it takes but their number of caveats.
 */
export function openHandle(handle: Handle, keys: HandleKeys): OpenedHandle | undefined {
  const parts = parseHandle(handle)
  if (!parts) return undefined
  const { kid, id, texts, tag } = parts
  // The root is known to the process alone: a key of the store's file cannot make its handle.
  const key = id === rootGrantId ? processKey(kid, keys) : keys.stored.find((record) => record.kid === kid)?.key
  if (key === undefined) return undefined
  const expected = texts.reduce(nextTag, firstTag(key, kid, id)).toString('base64url')
  // Texts are compared, not the bytes that they decode to: one handle, one spelling. Both have 43 characters.
  if (!timingSafeEqual(Buffer.from(tag), Buffer.from(expected))) return undefined
  const caveats = texts.map(readCaveat)
  return caveats.every((caveat) => caveat !== undefined) ? { id, caveats } : undefined
}

/**
 * The handle narrowed: pure, needs no store. What is given is taken away from what the handle allows; where it would add
 * something, it changes nothing. Throws `ERR_BAD_REQUEST` for what is no handle or no caveat, `ERR_TOO_MANY` for more
 * than `limits.store.caveats` caveats in all, `ERR_TOO_LARGE` for more than `limits.store.handleChars` characters.
 */
export function narrow(handle: Handle, caveats: Caveats): Handle {
  const parts = parseHandle(handle)
  if (!parts) throw new GroveError('ERR_BAD_REQUEST', 'the text is not a handle', { hint: handleHint })
  const { kid, id, texts, tag } = parts
  const added = writeCaveats(caveats)
  if (texts.length + added.length > limits.store.caveats)
    throw new GroveError('ERR_TOO_MANY', `a handle takes at most ${limits.store.caveats} caveats`)
  const narrowed = added.reduce(nextTag, Buffer.from(tag, 'base64url')).toString('base64url')
  const text = `${handlePrefix}${[kid, id, ...texts, ...added, narrowed].join('.')}`
  if (text.length > limits.store.handleChars)
    throw new GroveError('ERR_TOO_LARGE', `narrowed handle of more than ${limits.store.handleChars} characters`)
  return text as Handle
}

/**
 * What a text that has the form of a handle says, unchecked: to name its grant, and to show what it was narrowed to. A
 * caveat that is not known is undefined. Undefined for any other text.
 */
export function openFormOf(
  handle: Handle,
): (Pick<OpenedHandle, 'id'> & { readonly caveats: readonly (Caveats | undefined)[] }) | undefined {
  const parts = parseHandle(handle)
  return parts && { id: parts.id, caveats: parts.texts.map(readCaveat) }
}

/** The id of the key after these: one more than the newest, in base 36. Throws `ERR_TOO_MANY` when none is left. */
export function nextKid(keys: readonly Pick<KeyRecord, 'kid'>[]): string {
  const newest = keys.at(-1)
  const next = (newest === undefined ? 1 : Number.parseInt(newest.kid, 36) + 1).toString(36)
  if (next.length > 8) throw new GroveError('ERR_TOO_MANY', 'the store has used up all ids of keys')
  return next
}

const handleHint = `a handle begins with ${handlePrefix}; copy all of it`

interface HandleParts {
  readonly kid: string
  readonly id: GrantId
  readonly texts: readonly string[]
  readonly tag: string
}

/** The parts of a text that has the form of a handle; bounded before anything is looked at. */
function parseHandle(handle: unknown): HandleParts | undefined {
  if (typeof handle !== 'string' || handle.length > limits.store.handleChars) return undefined
  const [, kid, id, caveats, tag] = pattern.exec(handle) ?? []
  if (kid === undefined || id === undefined || caveats === undefined || tag === undefined) return undefined
  const texts = caveats === '' ? [] : caveats.slice(1).split('.')
  return texts.length > limits.store.caveats ? undefined : { kid, id, texts, tag }
}

function processKey(kid: string, keys: HandleKeys): Uint8Array | undefined {
  return kid === processKid ? keys.process : undefined
}

function firstTag(key: Uint8Array, kid: string, id: GrantId): Buffer {
  return createHmac('sha256', key).update(`grove-handle 2\n${kid}\n${id}`).digest()
}

function nextTag(tag: Buffer, caveat: string): Buffer {
  return createHmac('sha256', tag).update(caveat).digest()
}
