/**
 * What a front answers to CAs that check whether names are ours. While nothing is asked for, it costs a look at an empty
 * map.
 *
 * An answer says that whoever has some account at some CA speaks for a name. That is control's to decide; here it only
 * goes out where such questions come in: on the plain port, and in handshakes that can be for nothing else.
 */

import { createSecureContext, type SecureContext } from 'node:tls'
import type { ChallengeSet } from '../core/challenge-set.ts'
import type { Exchange } from '../core/exchange.ts'

const httpPrefix = '/.well-known/acme-challenge/'

/** A challenge certificate, ready for handshakes. */
interface Ready {
  readonly chain: string
  readonly context: SecureContext
}

/** The answers that are in force. */
export class ChallengeAnswers {
  /** Key authorizations, keyed by token. */
  #http: ReadonlyMap<string, string> = new Map()
  /** Keyed by name. */
  #certificates: ReadonlyMap<string, Ready> = new Map()

  /** Takes all answers, in place of those before. Throws what OpenSSL says of a certificate that it cannot use. */
  take({ http, tlsAlpn }: ChallengeSet): void {
    const before = this.#certificates
    this.#certificates = new Map(
      tlsAlpn.map(({ name, chain, key }) => {
        const known = before.get(name)
        if (known?.chain === chain) return [name, known]
        return [name, { chain, context: createSecureContext({ cert: chain, key, minVersion: 'TLSv1.2' }) }]
      }),
    )
    this.#http = new Map(http.map(({ token, keyAuthorization }) => [token, keyAuthorization]))
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
    return this.#certificates.get(name)?.context
  }
}

/** Answers a question of http-01. */
export function answerKeyAuthorization(exchange: Exchange, keyAuthorization: string): void {
  if (exchange.note) exchange.note.how = 'static'
  const body = Buffer.from(keyAuthorization, 'latin1')
  const headers = ['content-type', 'text/plain', 'cache-control', 'no-store', 'x-content-type-options', 'nosniff']
  exchange.respond(200, [...headers, 'content-length', String(body.length)], body)
}
