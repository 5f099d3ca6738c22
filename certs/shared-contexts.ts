/**
 * TLS contexts, made once for each certificate however many names it covers, and the choice between certificates with
 * keys of different kinds for one name.
 *
 * A server that picks its context by SNI hands Node one certificate for the handshake: of several in one context, Node
 * takes the last (measured on Node 24 and 26). So each has a context of its own, and the choice is made here, by the
 * signatures that the client says it can check.
 */

import { createHash, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { tlsParameters } from './tls-parameters.ts'

/** A certificate with its key, PEM. */
export interface KeyedChain {
  /** The leaf first. */
  readonly chain: string
  /** PKCS#8. */
  readonly key: string
}

/** Contexts for one name, the best first. */
export interface ContextChoice {
  /**
   * The context for a client. `signatures` is asked for only where there is a choice: what both ends can do, as
   * `TLSSocket.getSharedSigalgs` says it. A client that can do with none of them gets the first, and says so itself.
   */
  for(signatures: () => readonly string[]): SecureContext
}

/** Contexts that are in use, each once. */
export class SharedContexts {
  /** Keyed by {@link idOf}. They hold nothing that nobody else holds any more. */
  readonly #known = new Map<string, WeakRef<ContextChoice>>()
  readonly #gone = new FinalizationRegistry<string>((id) => {
    if (this.#known.get(id)?.deref() === undefined) this.#known.delete(id)
  })

  /**
   * The contexts of some certificates, best first, at least one. `clientRoots`: the CAs, PEM, that clients are verified
   * by where they are asked for a certificate. Throws what OpenSSL says of certificates that it cannot use.
   */
  of(certificates: readonly KeyedChain[], clientRoots?: string): ContextChoice {
    const id = idOf(certificates, clientRoots)
    const known = this.#known.get(id)?.deref()
    if (known) return known
    const choice = toChoice(certificates, clientRoots)
    this.#known.set(id, new WeakRef(choice))
    this.#gone.register(choice, id)
    return choice
  }
}

function idOf(certificates: readonly KeyedChain[], clientRoots: string | undefined): string {
  const hash = createHash('sha256')
  for (const { chain, key } of certificates) hash.update(`${chain.length}:${chain}${key.length}:${key}`)
  return `${hash.digest('base64')} ${clientRoots ?? ''}`
}

function toChoice(certificates: readonly KeyedChain[], clientRoots: string | undefined): ContextChoice {
  const ca = clientRoots !== undefined && { ca: clientRoots }
  const contexts = certificates.map(({ chain, key }) =>
    createSecureContext({ cert: chain, key, ...ca, ...tlsParameters }),
  )
  const [first] = contexts
  if (!first) throw new RangeError('there is no certificate')
  if (contexts.length === 1) return { for: () => first }
  const signs = certificates.map(({ chain }) => signaturesOf(chain))
  return {
    for(signatures) {
      const shared = signatures()
      const at = signs.findIndex((mine) => shared.some((one) => mine.test(one)))
      return contexts[at] ?? first
    },
  }
}

/** What a key signs with, in the words of `TLSSocket.getSharedSigalgs`; in TLS 1.3 a curve has one hash (RFC 8446 section 4.2.3). */
function signaturesOf(chain: string): RegExp {
  const { asymmetricKeyType, asymmetricKeyDetails } = new X509Certificate(chain).publicKey
  if (asymmetricKeyType === 'rsa') return /^RSA/
  if (asymmetricKeyType !== 'ec') return /^Ed25519/
  const hash = { prime256v1: 'SHA256', secp384r1: 'SHA384', secp521r1: 'SHA512' }[
    asymmetricKeyDetails?.namedCurve ?? ''
  ]
  return new RegExp(`^ECDSA\\+${hash ?? 'SHA256'}$`)
}
