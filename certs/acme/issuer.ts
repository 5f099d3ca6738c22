/**
 * A CA that speaks ACME (RFC 8555), as the rest of Grove sees it: names go in, checked certificates come out, and
 * whatever a CA answers leads to one of the two: a certificate that serves, or an `ERR_ACME` that says why there is
 * none. Nothing here tries an order again by itself, but for the other kind of challenge; when to come back is for whoever
 * asked.
 */

import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Certificate } from '../certificate.ts'
import type { Vault } from '../vault.ts'
import { rollOver, withAccount } from './account.ts'
import { isProblem } from './acme-error.ts'
import { type Directory, toDirectory } from './answers.ts'
import { type AcmeEnvironment, type Ca, createHistory } from './ca.ts'
import { orderCertificate } from './order.ts'
import { orderKey } from './order-note.ts'
import type { OrderRequest } from './order-request.ts'
import { createPace, createQuiet, everything } from './pace.ts'
import { type RenewalWindow, readRenewal } from './renewal.ts'
import { openSession } from './session.ts'
import { createTransport } from './transport.ts'

/** Why a certificate is revoked, with the number that RFC 5280 section 5.3.1 has for it. */
export const revocationReasons = {
  unspecified: 0,
  keyCompromise: 1,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
} as const

/** Why a certificate is revoked. */
export type RevocationReason = keyof typeof revocationReasons

/** One CA with one account. */
export interface Issuer {
  /** SHA-256 of the directory's address, 64 lower-case hex digits. */
  readonly id: string
  readonly directory: string
  /**
   * Orders a certificate with a new key, or goes on with the order that the vault has a note of. First tries the kind of
   * challenge that worked here before, then the other with a new order. At most `limits.acme.orders` begin within ten
   * seconds; more wait. Rejects with `ERR_ACME` (see {@link AcmeReason}; `retryAfterMs` says how long the CA wants to be
   * left alone), `ERR_CERT_RACED` when the lease is lost, and the signal's reason.
   */
  order(request: OrderRequest): Promise<Certificate>
  /** When the CA wants the certificate renewed; undefined when it does not say. Rejects with `ERR_ACME`. */
  renewal(certificate: Certificate): Promise<RenewalWindow | undefined>
  /** Revokes a certificate; one that is revoked already counts as done. Rejects with `ERR_ACME`. */
  revoke(certificate: Certificate, reason: RevocationReason): Promise<void>
  /** Puts a new key in place of the account's. Rejects with `ERR_ACME`, `ERR_CERT_RACED` while another machine does it. */
  rollOverKey(): Promise<void>
  /** Ends what is under way, which then rejects; notes stay, so that it can be gone on with. */
  close(): Promise<void>
}

/** What an issuer is made with. */
export interface IssuerOptions {
  /** Address of the CA's directory, https. */
  readonly directory: string
  /** Address of the directory for rehearsals: orders with `isStaging` go there. */
  readonly staging?: string | undefined
  /** Root certificates that the CA's own server is trusted by, PEM, instead of those of Node: for a test CA. */
  readonly roots?: string | undefined
  /** Where the CA may write to. */
  readonly email?: string | undefined
  /** External account binding (RFC 8555 section 7.3.4). The HMAC key is base64url, as CAs give it out. */
  readonly eab?: { readonly kid: string; readonly hmacKey: string } | undefined
  readonly vault: Vault
  readonly environment: AcmeEnvironment
  readonly log: Logger
  /** How long a request may take. @default limits.acme.requestMs */
  readonly requestMs?: number
}

/** An issuer that has asked nobody anything yet. */
export function createIssuer(options: IssuerOptions): Issuer {
  const closing = new AbortController()
  const { signal } = closing
  const ca = openCa(options, options.directory)
  // The binding belongs to the account at the real endpoint.
  const staging = options.staging === undefined ? undefined : openCa({ ...options, eab: undefined }, options.staging)
  return {
    id: ca.id,
    directory: ca.directoryUrl,
    async order(request) {
      const at = request.isStaging ? staging : ca
      if (!at) throw new GroveError('ERR_INTERNAL', `${ca.directoryUrl} has no staging endpoint to order at`)
      return orderCertificate(at, request, AbortSignal.any([signal, request.signal, request.lease.signal]))
    },
    renewal: (certificate) => readRenewal(ca, certificate, signal),
    revoke: (certificate, reason) => revoke(ca, certificate, reason, signal),
    rollOverKey: () => rollOver(ca, signal),
    async close() {
      closing.abort(new DOMException('the issuer is closed', 'AbortError'))
      await Promise.all([ca, staging].map((one) => one?.transport[Symbol.asyncDispose]()))
    },
  }
}

function openCa(options: IssuerOptions, directory: string): Ca {
  const { environment } = options
  const transport = createTransport(options)
  const quiet = createQuiet(environment)
  return {
    id: createHash('sha256').update(directory).digest('hex'),
    directoryUrl: directory,
    contact: options.email,
    eab: options.eab,
    vault: options.vault,
    transport,
    environment,
    log: options.log,
    pace: createPace(limits.acme.orders.count, limits.acme.orders.perMs, environment),
    quiet,
    history: createHistory((count) => environment.randomBytes(count)),
    readDirectory: directoryReader(async (signal) => {
      quiet.check(everything)
      const { data } = await quiet.watch(everything, () => transport.send(directory, 'get', undefined, signal))
      return toDirectory(data)
    }, environment),
    now: () => environment.now(),
  }
}

/** Reads the directory when it is first needed, and when what is known is old. */
function directoryReader(
  read: (signal: AbortSignal) => Promise<Directory>,
  environment: AcmeEnvironment,
): Ca['readDirectory'] {
  let known: { readonly directory: Directory; readonly atMs: number } | undefined
  return async (signal) => {
    if (known && environment.monotonic() - known.atMs < limits.acme.directoryMs) return known.directory
    const directory = await read(signal)
    known = { directory, atMs: environment.monotonic() }
    return directory
  }
}

/**
 * With the account's key, and when that is not allowed to, with the certificate's own (RFC 8555 section 7.6): it may be
 * one of an account that is no more.
 */
async function revoke(ca: Ca, certificate: Certificate, reason: RevocationReason, signal: AbortSignal): Promise<void> {
  const { crypto } = await import('acme-client')
  const payload = { certificate: crypto.getPemBodyAsB64u(certificate.chain), reason: revocationReasons[reason] }
  const { revokeCert } = await ca.readDirectory(signal)
  ca.quiet.check(everything)
  try {
    await withAccount(ca, signal, (session) => session.post(revokeCert, payload)).catch(async (error: unknown) => {
      if (!isProblem(error, 'unauthorized', 'malformed', 'accountDoesNotExist')) throw error
      const session = await openSession(ca, certificate.key, undefined, signal)
      await session.postWithKey(revokeCert, payload)
    })
  } catch (error) {
    if (!isProblem(error, 'alreadyRevoked')) throw error
  }
  // Else the next order of these names would find it, and think that nobody had stored it.
  await ca.vault.remove(orderKey(ca.directoryUrl, certificate.names))
}
