/**
 * Sealing: AES-256-GCM with the facts that a text belongs to bound in. What opens is what was sealed, in the place that
 * it was sealed for; anything else does not open at all.
 */

import { createCipheriv, createDecipheriv } from 'node:crypto'

/** Length of a key in bytes. */
export const keyBytes = 32

/** Length of a nonce in bytes (NIST SP 800-38D section 5.2.1.1). */
export const nonceBytes = 12

/** What sealing adds in bytes: the tag, at the end. */
export const tagBytes = 16

const cipher = 'aes-256-gcm'
const options = { authTagLength: tagBytes }

/** A key with a nonce that this key is used with once, and what the text is bound to. */
export interface Seal {
  readonly key: Uint8Array
  /** 12 bytes. Two texts under one key and nonce would give both away and let others forge: each needs its own. */
  readonly nonce: Uint8Array
  /** See {@link bind}. */
  readonly bound: Uint8Array
}

/**
 * Facts as associated data. JSON keeps them apart, so no two lists of facts give the same bytes; the word in front keeps
 * the kinds of sealed things apart.
 */
export function bind(what: string, ...facts: readonly (string | number)[]): Buffer {
  return Buffer.from(JSON.stringify([`grove ${what} 1`, ...facts]))
}

/** The sealed text, with its tag at the end. */
export function seal({ key, nonce, bound }: Seal, plain: Uint8Array): Buffer {
  const sealing = createCipheriv(cipher, key, nonce, options)
  sealing.setAAD(bound)
  const sealed = sealing.update(plain)
  return Buffer.concat([sealed, sealing.final(), sealing.getAuthTag()])
}

/** The text again, or undefined when anything is other than it was at the sealing: a bit, the key, a bound fact. */
export function unseal({ key, nonce, bound }: Seal, sealed: Uint8Array): Buffer | undefined {
  if (sealed.length < tagBytes) return undefined
  const opening = createDecipheriv(cipher, key, nonce, options)
  opening.setAAD(bound)
  opening.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  const plain = opening.update(sealed.subarray(0, sealed.length - tagBytes))
  try {
    opening.final()
  } catch {
    // The one thing that it says is that the tag is another: nothing of the text may be used.
    return undefined
  }
  return plain
}
