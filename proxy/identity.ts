/**
 * `Grove-Identity`: who the visitor is, signed, so that an upstream need not trust its network.
 *
 * A compact JWS (RFC 7515) with Ed25519 (RFC 8037), good for a minute, for one site. It defends an upstream that checks
 * it against anybody who reaches it past Grove. It cannot defend one that does not check `aud` and `iss`, and it stays
 * good for up to a minute after a sign-out. The session's id is not in it: an upstream cannot become the visitor.
 */

import { createPrivateKey, type KeyObject, sign } from 'node:crypto'
import { limits } from '../core/limits.ts'
import type { FrontKeys } from '../core/messages.ts'
import { setNewest } from '../core/newest.ts'
import type { Session } from '../core/session.ts'

/** Signs identities with one key. Made anew when keys rotate. */
export interface Identity {
  /**
   * The JWS for a session. Claims: `iss` (the origin at which the visitor is, where `/.grove/jwks.json` lies), `sub`
   * (the user id), `aud` (the site's name), `iat`, `exp` (60 s later, or the session's end). One is used for 30 s.
   */
  sign(session: Session, origin: string, nowMs: number): string
  /** The JWK Set (RFC 7517) of all keys whose signatures may be about, as JSON. Public. */
  readonly jwks: string
}

const lifetimeMs = 60_000
const reuseMs = 30_000

interface Signed {
  readonly token: string
  readonly atMs: number
}

/** An identity signer. Throws when the key is not an Ed25519 private JWK. */
export function createIdentity(keys: Pick<FrontKeys, 'identity' | 'identityPublic'>): Identity {
  const key = createPrivateKey({ key: keys.identity.jwk, format: 'jwk' })
  if (key.asymmetricKeyType !== 'ed25519')
    throw new TypeError(`expected an ed25519 key, found ${key.asymmetricKeyType}`)
  const header = encode({ alg: 'EdDSA', kid: keys.identity.kid, typ: 'JWT' })
  /** Keyed by session id and origin, oldest first. */
  const recent = new Map<string, Signed>()

  return {
    jwks: JSON.stringify({ keys: keys.identityPublic.map(toPublicJwk) }),
    sign(session, origin, nowMs) {
      const name = `${session.id} ${session.site} ${origin}`
      const known = recent.get(name)
      // A clock that was set back must not keep a token that is not good yet.
      if (known && known.atMs <= nowMs && nowMs < known.atMs + reuseMs && nowMs < session.expiresAtMs)
        return known.token
      const token = signToken(header, key, session, origin, nowMs)
      setNewest(recent, name, { token, atMs: nowMs }, limits.front.identities)
      return token
    },
  }
}

function signToken(header: string, key: KeyObject, session: Session, origin: string, nowMs: number): string {
  const claims = {
    iss: origin,
    sub: session.userId,
    aud: session.site,
    iat: Math.floor(nowMs / 1000),
    exp: Math.floor(Math.min(nowMs + lifetimeMs, session.expiresAtMs) / 1000),
  }
  const input = `${header}.${encode(claims)}`
  return `${input}.${sign(null, Buffer.from(input), key).toString('base64url')}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Only the public members (RFC 8037 section 2), by name: a private part that slipped in never leaves. */
function toPublicJwk({ kty, crv, x, kid }: Readonly<Record<string, string>>): object {
  return { kty, crv, x, kid, alg: 'EdDSA', use: 'sig' }
}
