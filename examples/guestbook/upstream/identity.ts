/**
 * Who a visitor is, by the signed word of Grove.
 *
 * Grove sends `Grove-User` and `Grove-Identity` with each request of a signed-in visitor. The first is only as good as
 * the network between; the second is a JWS (RFC 7515) that nobody else can make, so it is the one to go by.
 */

import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { z } from 'zod'

/** Tells who a visitor is. */
export interface IdentityVerifier {
  /**
   * The user id that a `Grove-Identity` header proves, or undefined when there is none or it proves nothing: not
   * signed by Grove, for another site or origin, or out of date. Rejects when Grove's keys cannot be fetched.
   */
  verify(token: string | undefined, origin: string): Promise<string | undefined>
}

/** What {@link createIdentityVerifier} needs. */
export interface IdentityOptions {
  /** Fetches Grove's public keys, `/.grove/jwks.json`. */
  readonly fetchKeys: () => Promise<unknown>
  /** The name of the site; an identity for another site of the same Grove is not for us. */
  readonly site: string
  readonly now: () => number
}

/** Clocks of two machines may differ by this much. */
const clockSkewMs = 5_000
/** Keys are fetched again after this time, so that one that Grove has taken back is not believed for ever. */
const keysGoodForMs = 600_000
/** Not more often than this, however many tokens with unknown keys a stranger sends. */
const fetchAtMostEveryMs = 5_000
/** An identity is some 300 bytes; longer ones are not looked at. */
const maxTokenChars = 4_096

const keySetSchema = z.object({
  keys: z.array(z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), kid: z.string() })).max(32),
})
const headerSchema = z.object({ alg: z.literal('EdDSA'), kid: z.string() })
const claimsSchema = z.object({
  iss: z.string(),
  sub: z.string().min(1).max(256),
  aud: z.string(),
  iat: z.number(),
  exp: z.number(),
})

/** A verifier that has no keys yet. */
export function createIdentityVerifier({ fetchKeys, site, now }: IdentityOptions): IdentityVerifier {
  let keys: ReadonlyMap<string, KeyObject> = new Map()
  let fetchedAtMs = Number.NEGATIVE_INFINITY
  let fetching: Promise<void> | undefined

  const fetchAnew = async () => {
    try {
      const set = keySetSchema.parse(await fetchKeys())
      keys = new Map(set.keys.map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: 'jwk' })]))
      fetchedAtMs = now()
    } finally {
      fetching = undefined
    }
  }
  const keyOf = async (kid: string): Promise<KeyObject | undefined> => {
    const ageMs = now() - fetchedAtMs
    if (ageMs > keysGoodForMs || (!keys.has(kid) && ageMs > fetchAtMostEveryMs)) {
      fetching ??= fetchAnew()
      await fetching
    }
    return keys.get(kid)
  }

  return {
    async verify(token, origin) {
      const parts = token === undefined || token.length > maxTokenChars ? [] : token.split('.')
      const [header = '', payload = '', signature = ''] = parts
      if (parts.length !== 3) return undefined
      const { success, data } = headerSchema.safeParse(parseJson(header))
      const key = success ? await keyOf(data.kid) : undefined
      if (!key) return undefined
      const signed = Buffer.from(`${header}.${payload}`)
      if (!verify(null, signed, key, Buffer.from(signature, 'base64url'))) return undefined
      const claims = claimsSchema.safeParse(parseJson(payload))
      if (!claims.success) return undefined
      const { iss, aud, sub, iat, exp } = claims.data
      const isCurrent = iat * 1000 <= now() + clockSkewMs && now() < exp * 1000 + clockSkewMs
      return isCurrent && aud === site && iss === origin ? sub : undefined
    },
  }
}

function parseJson(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  } catch {
    return undefined // A stranger's text; the schema then says that it is not what we look for.
  }
}
