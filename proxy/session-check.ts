/**
 * From the cookies of a request to its session, without I/O.
 *
 * Strict on purpose: what is not exactly a cookie that Grove made is no session. It defends against forged and altered
 * values, and against a second cookie of the same name that somebody planted beside the real one (browsers keep
 * `__Host-` names from being planted by other hosts; other clients may not): where two differ, neither counts.
 */

import type { Exchange } from '../core/exchange.ts'
import type { HeaderList } from '../core/headers.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import { openSession, type Session, type SessionKey, sessionCookieName } from '../core/session.ts'
import type { Revocations } from './revocations.ts'

/** The session that a request carries for a site: sealed by one of `keys`, not expired, not revoked. Never throws. */
export function sessionOf(
  exchange: Pick<Exchange, 'headers'>,
  site: SiteName,
  keys: readonly SessionKey[],
  revocations: Pick<Revocations, 'isRevoked'>,
  nowMs: number,
): Session | undefined {
  const value = sessionCookieValue(exchange.headers)
  if (value === undefined) return undefined
  const session = openSession(value, site, keys, nowMs)
  return session === undefined || revocations.isRevoked(session) ? undefined : session
}

/**
 * The one value of the session cookie, or undefined when there is none or when several differ. Cookies may come in
 * several fields (RFC 9113 section 8.2.3); pairs are split as in RFC 6265 section 5.4, names compared exactly.
 */
export function sessionCookieValue(headers: HeaderList): string | undefined {
  let found: string | undefined
  let chars = 0
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'cookie') continue
    const line = headers[i + 1] as string
    chars += line.length
    if (chars > limits.http.headerBytes) return undefined
    if (!line.includes(sessionCookieName)) continue
    for (const pair of line.split(';')) {
      const value = cookieValue(pair)
      if (value === undefined) continue
      if (found !== undefined && found !== value) return undefined
      found = value
    }
  }
  return found
}

function cookieValue(pair: string): string | undefined {
  const equals = pair.indexOf('=')
  if (equals === -1 || trimSpaces(pair.slice(0, equals)) !== sessionCookieName) return undefined
  return trimSpaces(pair.slice(equals + 1))
}

/** Spaces and tabs only: `trim` would also take characters that no cookie parser takes. */
function trimSpaces(text: string): string {
  return text.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '')
}
