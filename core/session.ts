/**
 * Sessions of signed-in visitors, and the sealed cookie that carries one.
 *
 * The cookie is AES-256-GCM with the site's name as associated data: it cannot be read, made or moved to another site
 * without a key. It defends against forging and tampering, not against theft from the visitor's machine; a stolen
 * cookie works until it expires or is revoked. Checking one needs a key and the list of revocations, and no I/O.
 */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { limits } from './limits.ts'
import type { SiteName } from './names.ts'

/** A signed-in visitor of one site. The host mints it; a login plugin only proves who. */
export interface Session {
  /** Random, 128 bits, base64url; what a sign-out revokes. */
  readonly id: string
  readonly userId: string
  readonly site: SiteName
  readonly issuedAtMs: number
  readonly expiresAtMs: number
}

/** A key that seals cookies. The first of a list seals; all of them open, so a rotation signs nobody out. */
export interface SessionKey {
  /** Key id: 1 to 16 of `0-9a-z`. */
  readonly kid: string
  /** 32 bytes, base64url. */
  readonly secret: string
}

/** The name of the session cookie; `__Host-` makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis 4.1.3.2). */
export const sessionCookieName = '__Host-grove'

const payloadSchema = z.tuple([
  z.string().max(64),
  z.string().min(1).max(limits.session.userIdChars),
  z.number().int(),
  z.number().int(),
])
const nonceBytes = 12
const tagBytes = 16

/** The sealed form of a session for the cookie's value. Throws `TypeError` when there is no key. */
export function sealSession(session: Session, keys: readonly SessionKey[]): string {
  const key = keys[0]
  if (!key) throw new TypeError('expected at least one session key')
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key.secret, 'base64url'), nonce)
  cipher.setAAD(associatedData(key.kid, session.site))
  const payload = JSON.stringify([session.id, session.userId, session.issuedAtMs, session.expiresAtMs])
  const sealed = Buffer.concat([nonce, cipher.update(payload, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return `s1.${key.kid}.${sealed.toString('base64url')}`
}

/**
 * The session in a cookie's value, or undefined when it is not one of `site`, was made with another key, was altered
 * or has expired. Never throws: the value comes from a stranger.
 */
export function openSession(
  value: string,
  site: SiteName,
  keys: readonly SessionKey[],
  nowMs: number,
): Session | undefined {
  if (value.length > limits.session.cookieChars) return undefined
  const [format, kid, body, ...rest] = value.split('.')
  if (format !== 's1' || kid === undefined || body === undefined || rest.length > 0) return undefined
  const key = keys.find((candidate) => candidate.kid === kid)
  if (!key) return undefined
  const sealed = Buffer.from(body, 'base64url')
  // Buffer.from skips what is not base64url; a value that does not round-trip was not made by us.
  if (sealed.length <= nonceBytes + tagBytes || sealed.toString('base64url') !== body) return undefined
  try {
    const nonce = sealed.subarray(0, nonceBytes)
    const decipher = createDecipheriv('aes-256-gcm', Buffer.from(key.secret, 'base64url'), nonce)
    decipher.setAAD(associatedData(kid, site))
    decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
    const text = Buffer.concat([decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()])
    const [id, userId, issuedAtMs, expiresAtMs] = payloadSchema.parse(JSON.parse(text.toString('utf8')))
    if (expiresAtMs <= nowMs) return undefined
    return { id, userId, site, issuedAtMs, expiresAtMs }
  } catch {
    return undefined // A forged or damaged cookie is no session; that is the whole answer.
  }
}

/** The `Set-Cookie` value that signs a visitor in until the session expires. */
export function sessionCookie(session: Session, keys: readonly SessionKey[], nowMs: number): string {
  const maxAgeSeconds = Math.max(0, Math.floor((session.expiresAtMs - nowMs) / 1000))
  const value = sealSession(session, keys)
  return `${sessionCookieName}=${value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}`
}

/** The `Set-Cookie` value that takes the cookie away. */
export const clearedSessionCookie: string = `${sessionCookieName}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0`

/** A session that ended before its time: one by id, or all of a user that were issued at or before a moment. */
export const revocationSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('session'), id: z.string(), untilMs: z.number() }),
  z.object({ kind: z.literal('user'), userId: z.string(), issuedUptoMs: z.number(), untilMs: z.number() }),
])
/** A session that ended before its time. */
export type Revocation = Readonly<z.output<typeof revocationSchema>>

function associatedData(kid: string, site: SiteName): Buffer {
  return Buffer.from(`grove-session\n${kid}\n${site}`)
}
