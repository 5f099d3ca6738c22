/**
 * What a front answers to CAs that check whether names are ours. While nothing is asked for, it costs a look at an empty
 * map.
 *
 * An answer says that whoever has some account at some CA speaks for a name. That is control's to decide; here it only
 * goes out where such questions come in: on the plain port, and in handshakes that can be for nothing else.
 */

import { createSecureContext, type SecureContext } from 'node:tls'
import { type ChallengeSet, noChallenges } from '../core/challenge-set.ts'
import type { Exchange } from '../core/exchange.ts'

const httpPrefix = '/.well-known/acme-challenge/'

/** The answers that are in force. */
export class ChallengeAnswers {
  /** Key authorizations, keyed by token. */
  #http: ReadonlyMap<string, string> = new Map()
  /** Keyed by name. */
  #certificates: ReadonlyMap<string, ChallengeSet['tlsAlpn'][number]> = new Map()
  /** Those that somebody asked for, keyed by name. */
  readonly #contexts = new Map<string, SecureContext>()

  /** Takes all answers, in place of those before. */
  take({ http, tlsAlpn }: ChallengeSet = noChallenges): void {
    this.#http = new Map(http.map(({ token, keyAuthorization }) => [token, keyAuthorization]))
    this.#certificates = new Map(tlsAlpn.map((one) => [one.name, one]))
    this.#contexts.clear()
  }

  /**
   * The key authorization that a request's target asks for (RFC 8555 section 8.3). Tokens are looked up as they were sent,
   * so no other spelling of a path leads to one.
   */
  keyAuthorization(target: string): string | undefined {
    if (this.#http.size === 0 || !target.startsWith(httpPrefix)) return undefined
    return this.#http.get(target.slice(httpPrefix.length))
  }

  /** Whether handshakes of CAs are expected. */
  get expectsHandshakes(): boolean {
    return this.#certificates.size > 0
  }

  /** The challenge certificate of a name in lower case (RFC 8737 section 3); undefined when none is asked for. */
  context(name: string): SecureContext | undefined {
    const known = this.#contexts.get(name)
    if (known) return known
    const certificate = this.#certificates.get(name)
    if (!certificate) return undefined
    const context = createSecureContext({ cert: certificate.chain, key: certificate.key, minVersion: 'TLSv1.2' })
    this.#contexts.set(name, context)
    return context
  }
}

/** Answers a question of http-01. */
export function answerKeyAuthorization(exchange: Exchange, keyAuthorization: string): void {
  if (exchange.note) exchange.note.how = 'static'
  const body = Buffer.from(keyAuthorization, 'latin1')
  const headers = ['content-type', 'text/plain', 'cache-control', 'no-store', 'x-content-type-options', 'nosniff']
  exchange.respond(200, [...headers, 'content-length', String(body.length)], body)
}
