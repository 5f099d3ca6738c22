/**
 * Nonces against replays (RFC 8555 section 6.5): each is given once and taken once.
 *
 * They live in this process only; a client that meets another one, or comes after a restart, gets `badNonce` with a new
 * nonce and sends its request again, as section 6.5 has it. The oldest go when there are too many, so a flood of requests
 * for nonces costs others a second try, and nothing else.
 */

import { limits } from '../../core/limits.ts'
import type { Environment } from '../../store/environment.ts'

/** The nonces that were given and not taken. */
export interface Nonces {
  /** A new nonce: base64url of 128 random bits. */
  give(): string
  /** Takes a nonce. False when it was never given, was taken before, or is forgotten. */
  take(nonce: string | undefined): boolean
}

/** No nonces yet. */
export function createNonces(environment: Pick<Environment, 'randomBytes'>): Nonces {
  /** Oldest first. */
  const given = new Set<string>()
  return {
    give() {
      const nonce = environment.randomBytes(16).toString('base64url')
      given.add(nonce)
      for (const oldest of given) {
        if (given.size <= limits.acmeServer.nonces) break
        given.delete(oldest)
      }
      return nonce
    },
    take: (nonce) => nonce !== undefined && given.delete(nonce),
  }
}
