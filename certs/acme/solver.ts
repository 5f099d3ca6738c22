/**
 * Answering a CA's challenges: the ways to prove that names are ours.
 *
 * What is published for a challenge is no secret, but only the holder of the account's key can make it, and a CA takes
 * it for one name and one order.
 */

import { createHash } from 'node:crypto'

/** A way to prove that a name is ours: RFC 8555 section 8.3, RFC 8737, RFC 8555 section 8.4. */
export type ChallengeKind = 'http-01' | 'tls-alpn-01' | 'dns-01'

/** One challenge that a CA has set. */
export interface Challenge {
  /** The name to prove, lower case, without `*.`. */
  readonly name: string
  /** The last part of the path that is asked for in http-01: base64url characters only, at most 512. */
  readonly token: string
  /** What http-01 answers as the body: the token and the thumbprint of the account's key (RFC 8555 section 8.1). */
  readonly keyAuthorization: string
  /** What dns-01 answers as a TXT record: SHA-256 of {@link Challenge.keyAuthorization}, base64url. */
  readonly dnsValue: string
}

/**
 * Answers challenges of one kind. Several names are worked on at once, and one name may have several challenges at a
 * time (`example.com` and `*.example.com` share one DNS name).
 */
export interface Solver {
  readonly kind: ChallengeKind
  /** Publishes the answer. Resolves when a CA that asks right then finds it. A rejection fails this kind. */
  present(challenge: Challenge): Promise<void>
  /** Takes the answer away; fine when there is none. */
  remove(challenge: Challenge): Promise<void>
}

/** A challenge from what the CA and the account's key make of it. */
export function toChallenge(name: string, token: string, keyAuthorization: string): Challenge {
  const dnsValue = createHash('sha256').update(keyAuthorization).digest('base64url')
  return { name, token, keyAuthorization, dnsValue }
}
