/**
 * Small things that are sealed as a whole, such as roots: `GROVESLD`, the wrapped key (68 bytes, see keyring.ts), the
 * sealed bytes with a tag of 16 bytes at their end.
 */

import { GroveError } from '../../core/errors.ts'
import type { Environment } from '../environment.ts'
import { type Keyring, type KeyScope, unwrapKey, wrappedBytes } from './keyring.ts'
import { bind, keyBytes, nonceBytes, seal, tagBytes, unseal } from './seal.ts'

const magic = Buffer.from('GROVESLD')

/** Every sealing has a key of its own, so one nonce does. */
const nonce = Buffer.alloc(nonceBytes)

/** What sealed bytes are bound to: they open for no other owner and under no other name. */
export interface SealedPlace {
  readonly owner: string
  /** Where they are kept, such as the key of the object. Bytes that are moved to another name do not open there. */
  readonly name: string
}

/** Whether bytes begin like sealed ones. Tells nothing of who sealed them. */
export function isSealed(bytes: Uint8Array): boolean {
  return magic.equals(bytes.subarray(0, magic.length))
}

/** Seals bytes with a fresh key under the owner's current one. 92 bytes are added. */
export function sealBytes(keyring: Keyring, env: Environment, place: SealedPlace, plain: Uint8Array): Buffer {
  const key = env.randomBytes(keyBytes)
  const sealed = seal({ key, nonce, bound: bind('sealed bytes', place.owner, place.name) }, plain)
  return Buffer.concat([magic, keyring.wrap(env, scopeOf(place), key), sealed])
}

/**
 * The bytes again. What is not sealed is refused, so that nobody can put plain bytes in the place of sealed ones. An
 * older text that was sealed for the same place opens: that it is not the newest has to be seen from what it says.
 * Throws `ERR_DATA_FORMAT` for what is not sealed, `ERR_KEY_MISSING`, `ERR_BLOB_CORRUPT`.
 */
export function openBytes(keyring: Keyring | undefined, place: SealedPlace, bytes: Uint8Array): Buffer {
  if (!isSealed(bytes)) throw new GroveError('ERR_DATA_FORMAT', `${place.name} is not sealed, and has to be`)
  const start = magic.length + wrappedBytes
  if (bytes.length < start + tagBytes) throw corrupt(place, 'is too short')
  const key = unwrapKey(keyring, scopeOf(place), bytes.subarray(magic.length, start))
  const opened = unseal({ key, nonce, bound: bind('sealed bytes', place.owner, place.name) }, bytes.subarray(start))
  if (opened) return opened
  throw corrupt(place, 'was changed after it was sealed')
}

function scopeOf({ owner, name }: SealedPlace): KeyScope {
  return { owner, bound: bind('key of sealed bytes', owner, name), what: name }
}

function corrupt(place: SealedPlace, why: string): GroveError {
  return new GroveError('ERR_BLOB_CORRUPT', `${place.name} ${why}`)
}
