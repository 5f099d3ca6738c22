/** Public keys of accounts as JWK (RFC 7517), and what they are known by (RFC 7638). */

import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { limits } from '../../core/limits.ts'
import { problem } from './problem.ts'

const text = z.string().max(2_048)

/**
 * The members that are the key, in the order in which the thumbprint wants them (RFC 7638 section 3.2). Others, such as
 * `kid` and `use`, are dropped.
 */
const jwkSchema = z.discriminatedUnion('kty', [
  z.object({ crv: z.enum(['P-256', 'P-384', 'P-521']), kty: z.literal('EC'), x: text, y: text }),
  z.object({ crv: z.literal('Ed25519'), kty: z.literal('OKP'), x: text }),
  z.object({ e: text, kty: z.literal('RSA'), n: text }),
])

/** A public key as JWK, only with the members that are the key. */
export type PublicJwk = z.output<typeof jwkSchema>

/** A public key. */
export interface AccountKey {
  readonly jwk: PublicJwk
  readonly key: KeyObject
  /** SHA-256 of the JWK, base64url: what proofs of control are made with (RFC 8555 section 8.1). */
  readonly thumbprint: string
}

/** The public key in a JWK from outside. Throws the problem `badPublicKey`. */
export function toAccountKey(input: unknown): AccountKey {
  if (typeof input === 'object' && input !== null && 'd' in input)
    throw problem('badPublicKey', 'the JWK holds a private key, which is nobody else’s business')
  const parsed = jwkSchema.safeParse(input)
  if (!parsed.success)
    throw problem('badPublicKey', 'expected a JWK of an EC key (P-256, P-384, P-521), an RSA key or an Ed25519 key')
  const key = importKey(parsed.data)
  checkStrength(key)
  // Made from the key that was understood, so that no second spelling of it has a thumbprint of its own.
  const jwk = jwkSchema.parse(key.export({ format: 'jwk' }))
  const thumbprint = createHash('sha256').update(canonical(jwk)).digest('base64url')
  return { jwk, key, thumbprint }
}

/** Throws the problem `badPublicKey` for a key that no certificate and no account should have. */
export function checkStrength(key: KeyObject): void {
  const { modulusLength = 0, publicExponent = 0n, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  const { rsaLeastBits, rsaMostBits } = limits.acmeServer
  if (key.asymmetricKeyType === 'rsa') {
    if (modulusLength < rsaLeastBits || modulusLength > rsaMostBits)
      throw problem('badPublicKey', `an RSA key has ${rsaLeastBits} to ${rsaMostBits} bits here, not ${modulusLength}`)
    // Small exponents, and even ones, which are none (NIST SP 800-56B section 6.2); long ones make each request costly.
    if (publicExponent < 65_537n || publicExponent % 2n === 0n || isLongExponent(publicExponent))
      throw problem(
        'badPublicKey',
        `the exponent of an RSA key is odd, at least 65537, and has ${limits.cert.rsaExponentBits} bits at most`,
      )
  } else if (key.asymmetricKeyType === 'ec') {
    if (!['prime256v1', 'secp384r1', 'secp521r1'].includes(namedCurve))
      throw problem('badPublicKey', `an EC key is on P-256, P-384 or P-521 here, not on ${namedCurve}`)
  } else if (key.asymmetricKeyType !== 'ed25519')
    throw problem('badPublicKey', `a key is RSA, EC or Ed25519 here, not ${key.asymmetricKeyType}`)
}

function isLongExponent(exponent: bigint): boolean {
  return exponent >= 1n << BigInt(limits.cert.rsaExponentBits)
}

function importKey(jwk: PublicJwk): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' })
  } catch (cause) {
    throw problem('badPublicKey', 'the JWK is not a key: a number in it is wrong', { cause })
  }
}

function canonical(jwk: PublicJwk): string {
  const { kty } = jwk
  if (kty === 'EC') return JSON.stringify({ crv: jwk.crv, kty, x: jwk.x, y: jwk.y })
  if (kty === 'OKP') return JSON.stringify({ crv: jwk.crv, kty, x: jwk.x })
  return JSON.stringify({ e: jwk.e, kty, n: jwk.n })
}
