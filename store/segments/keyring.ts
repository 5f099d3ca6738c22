/**
 * The keys of encryption at rest. An operator configures keys of 32 bytes; the first is the current one, the others
 * still open what was sealed with them. Nothing is sealed with these keys: each owner has a key derived from them, and
 * that one wraps a fresh key for each segment.
 *
 * It defends the bytes in a bucket against whoever can read or change the bucket. It does not defend against who can
 * read the memory, the config or the local disk of the machine.
 */

import { hkdfSync } from 'node:crypto'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Environment } from '../environment.ts'
import { keyBytes, nonceBytes, seal, tagBytes, unseal } from './seal.ts'

/** Names a configured key: 16 hex digits derived from it. Not a secret, and tells nothing of the key. */
export type KeyId = string

const keyIdBytes = 8

/** Length of a wrapped key: id of the configured key, nonce, the sealed key, tag. */
export const wrappedBytes = keyIdBytes + nonceBytes + keyBytes + tagBytes

/** Whose key it is that wraps, and what the wrapped key is bound to; see `bind` in seal.ts. */
export interface KeyScope {
  readonly owner: string
  readonly bound: Uint8Array
  /** For an error: `segment ab12…`. */
  readonly what: string
}

/** Configured keys, ready for use. Holds secrets: never log it. */
export interface Keyring {
  /** The key that seals what is written now. */
  readonly current: KeyId
  /** All keys that open something, the current one first. */
  readonly ids: readonly KeyId[]
  /** A key under the owner's current key, {@link wrappedBytes} long. */
  wrap(env: Environment, scope: KeyScope, key: Uint8Array): Buffer
  /**
   * The key again. Throws `ERR_KEY_MISSING` when it was wrapped with a key that is not configured, `ERR_BLOB_CORRUPT`
   * when it was changed or belongs to something else.
   */
  unwrap(scope: KeyScope, wrapped: Uint8Array): Buffer
}

/** A keyring of keys of 32 bytes each, the current one first, 1 to `limits.segment.keys`. Throws `ERR_CONFIG_INVALID`. */
export function openKeyring(keys: readonly Uint8Array[]): Keyring {
  if (keys.length === 0) throw invalid('no key is given')
  if (keys.length > limits.segment.keys) throw invalid(`more than ${limits.segment.keys} keys are given`)
  const byId = new Map<KeyId, Buffer>()
  for (const [index, key] of keys.entries()) {
    if (key.length !== keyBytes) throw invalid(`key ${index + 1} has ${key.length} bytes, expected ${keyBytes}`)
    const id = derive(key, 'grove key id 1', keyIdBytes).toString('hex')
    if (byId.has(id)) throw invalid(`key ${index + 1} is given twice`)
    byId.set(id, Buffer.from(key))
  }
  const ids = [...byId.keys()]
  const [current] = ids as [KeyId]

  const ownerKey = (id: KeyId, { owner, what }: KeyScope): Buffer => {
    const key = byId.get(id)
    if (key) return derive(key, `grove owner key 1 ${owner}`, keyBytes)
    throw missingKey(what, id, `which is not among the configured keys (${ids.join(', ')})`)
  }
  return {
    current,
    ids,
    wrap(env, scope, key) {
      const nonce = env.randomBytes(nonceBytes)
      const sealed = seal({ key: ownerKey(current, scope), nonce, bound: scope.bound }, key)
      return Buffer.concat([Buffer.from(current, 'hex'), nonce, sealed])
    },
    unwrap(scope, wrapped) {
      if (wrapped.length !== wrappedBytes) throw corrupt(scope)
      const key = ownerKey(keyIdOfWrapped(wrapped), scope)
      const nonce = wrapped.subarray(keyIdBytes, keyIdBytes + nonceBytes)
      const opened = unseal({ key, nonce, bound: scope.bound }, wrapped.subarray(keyIdBytes + nonceBytes))
      if (!opened) throw corrupt(scope)
      return opened
    },
  }
}

/** Like {@link Keyring.unwrap}, also where nothing is configured: then `ERR_KEY_MISSING`. */
export function unwrapKey(keyring: Keyring | undefined, scope: KeyScope, wrapped: Uint8Array): Buffer {
  if (keyring) return keyring.unwrap(scope, wrapped)
  throw missingKey(scope.what, keyIdOfWrapped(wrapped), 'and no key is configured')
}

/**
 * The configured key that an index or a large content is sealed with; undefined for a plain one. A merge rewrites what
 * is not sealed with {@link Keyring.current}.
 */
export function keyIdOf(sealed: { readonly seal?: Buffer | string | undefined }): KeyId | undefined {
  const { seal: wrapped } = sealed
  if (wrapped === undefined) return undefined
  return keyIdOfWrapped(typeof wrapped === 'string' ? Buffer.from(wrapped, 'base64') : wrapped)
}

/** A key as people keep it: 64 hex digits, or base64 of 32 bytes, white space around it. Undefined for anything else. */
export function parseKey(text: string): Buffer | undefined {
  const trimmed = text.trim()
  if (/^[0-9a-f]{64}$/i.test(trimmed)) return Buffer.from(trimmed, 'hex')
  if (/^[0-9A-Za-z+/]{43}=?$/.test(trimmed)) return Buffer.from(trimmed, 'base64')
  return undefined
}

function keyIdOfWrapped(wrapped: Uint8Array): KeyId {
  return Buffer.from(wrapped.subarray(0, keyIdBytes)).toString('hex')
}

/** Bytes that belong to a key and a purpose, and from which neither the key nor others of its bytes follow (RFC 5869). */
function derive(key: Uint8Array, info: string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', info, length))
}

function missingKey(what: string, id: KeyId, why: string): GroveError {
  return new GroveError('ERR_KEY_MISSING', `${what} is sealed with key ${id}, ${why}`, {
    details: { key: id },
    hint: 'add that key to encryption.keys of the config; nothing else opens it',
  })
}

function corrupt({ what }: KeyScope): GroveError {
  return new GroveError('ERR_BLOB_CORRUPT', `the key of ${what} was changed, or belongs to something else`)
}

function invalid(message: string): GroveError {
  return new GroveError('ERR_CONFIG_INVALID', `encryption: ${message}`)
}
