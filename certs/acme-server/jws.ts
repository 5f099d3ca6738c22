/**
 * Requests as they come: JSON with a signature (JWS, RFC 7515) in the form that RFC 8555 section 6.2 leaves of it.
 *
 * Done with Node's own crypto and not with a library for JOSE: what is general in such a library (many algorithms, keys
 * from the message, unprotected headers, multiple signatures) is what ACME forbids, and what ACME asks for (the nonce, the
 * URL, key or account but never both) is not in it.
 */

import { constants, createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import { z } from 'zod'
import { limits } from '../../core/limits.ts'
import { fromBase64url } from './base64url.ts'
import { problem } from './problem.ts'

/** Algorithms of accounts, and the keys that they go with. Never `none`, and never one with a shared secret. */
const algorithms = {
  ES256: { type: 'ec', curve: 'prime256v1', hash: 'sha256' },
  ES384: { type: 'ec', curve: 'secp384r1', hash: 'sha384' },
  ES512: { type: 'ec', curve: 'secp521r1', hash: 'sha512' },
  RS256: { type: 'rsa', curve: undefined, hash: 'sha256' },
  EdDSA: { type: 'ed25519', curve: undefined, hash: null },
} as const

const messageSchema = z.strictObject({ protected: z.string(), payload: z.string(), signature: z.string() })

/** Strict: a header that is not understood could mean that the message means something else. */
const headerSchema = z.strictObject({
  alg: z.string(),
  nonce: z.string().optional(),
  url: z.string(),
  jwk: z.unknown().optional(),
  kid: z.string().optional(),
  typ: z.string().optional(),
})

/** A message of which nothing is verified yet. */
export interface Jws {
  readonly header: z.output<typeof headerSchema>
  /** Empty in a POST-as-GET (RFC 8555 section 6.3). */
  readonly payload: Buffer
  readonly signed: Buffer
  readonly signature: Buffer
}

/** Takes a message apart. Throws the problem `malformed`. */
export function parseJws(input: unknown): Jws {
  const message = messageSchema.safeParse(input)
  if (!message.success)
    throw problem('malformed', 'expected a JWS with protected, payload and signature, and nothing else')
  const header = fromBase64url(message.data.protected)
  const payload = fromBase64url(message.data.payload)
  const signature = fromBase64url(message.data.signature)
  if (!header || !payload || !signature)
    throw problem('malformed', 'protected, payload and signature are base64url without padding')
  const parsed = headerSchema.safeParse(parseJson(header, 'the protected header'))
  if (!parsed.success)
    throw problem('malformed', 'the protected header has alg, nonce, url, and either jwk or kid, and nothing else')
  return {
    header: parsed.data,
    payload,
    signed: Buffer.from(`${message.data.protected}.${message.data.payload}`),
    signature,
  }
}

/** Throws the problem `badSignatureAlgorithm` for one that is not taken, with those that are. */
export function checkAlgorithm({ header }: Jws): void {
  if (!Object.hasOwn(algorithms, header.alg))
    throw problem(
      'badSignatureAlgorithm',
      `messages cannot be signed with ${JSON.stringify(header.alg.slice(0, 32))}`,
      {
        members: { algorithms: Object.keys(algorithms) },
      },
    )
}

/** Throws a problem unless the key has signed the message: `badSignatureAlgorithm`, `unauthorized`. */
export function verifyJws(jws: Jws, key: KeyObject): void {
  checkAlgorithm(jws)
  const { type, curve, hash } = algorithms[jws.header.alg as keyof typeof algorithms]
  if (key.asymmetricKeyType !== type || (curve && key.asymmetricKeyDetails?.namedCurve !== curve))
    throw problem('badSignatureAlgorithm', `the key is not one for ${jws.header.alg}`)
  // ECDSA as JWS writes it: two numbers of a fixed length, and not DER (RFC 7518 section 3.4).
  const how =
    type === 'rsa' ? { key, padding: constants.RSA_PKCS1_PADDING } : { key, dsaEncoding: 'ieee-p1363' as const }
  if (!verify(hash, jws.signed, how, jws.signature))
    throw problem('unauthorized', 'the signature is not by this key, or the message was changed', { status: 401 })
}

/** Whether a secret has signed a message with HS256, for external accounts (RFC 8555 section 7.3.4). */
export function isMacOf({ signed, signature }: Jws, secret: Buffer): boolean {
  const expected = createHmac('sha256', secret).update(signed).digest()
  return signature.length === expected.length && timingSafeEqual(signature, expected)
}

/** JSON from outside. Throws the problem `malformed`. */
export function parseJson(bytes: Buffer, what: string): unknown {
  if (bytes.length > limits.acmeServer.bodyBytes) throw problem('malformed', `${what} is too long`)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw problem('malformed', `${what} is not JSON`)
  }
}
