/** Certificates: signed when an order is ready, given, revoked, and when to renew (RFC 8555 section 7.4, 7.4.2, 7.6; RFC 9773). */

import { createHash, X509Certificate } from 'node:crypto'
import { z } from 'zod'
import { isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { renewalOf } from '../own-certificates.ts'
import { parse, refuseOthers } from './accounts.ts'
import { payloadOf } from './authenticate.ts'
import { fromBase64url } from './base64url.ts'
import { checkCsr } from './csr.ts'
import { type AccountRequest, type AcmeAnswer, json, type KeyRequest, type ServerParts } from './exchange.ts'
import { toIdentifier } from './identifiers.ts'
import { findOrder, notFound, type OrderPlace, orderAnswer, statusOf } from './orders.ts'
import { problem } from './problem.ts'
import {
  type Account,
  certificateSchema,
  changeRecord,
  createRecord,
  type IssuedCertificate,
  keys,
  orderSchema,
  readRecord,
} from './records.ts'

const finalizeSchema = z.object({ csr: z.string() })
const revokeSchema = z.object({ certificate: z.string(), reason: z.int().default(0) })

/** Reasons that a client can have (RFC 5280 section 5.3.1): the others are a CA's own. */
const reasons = [0, 1, 3, 4, 5]

/** Signs the certificate of an order that is ready (section 7.4). */
export async function finalizeOrder(
  signed: AccountRequest,
  place: OrderPlace,
  parts: ServerParts,
): Promise<AcmeAnswer> {
  const { account, key, request } = signed
  const order = await findOrder(account, place, parts)
  const status = statusOf(order, parts.environment.now())
  if (status !== 'ready') throw problem('orderNotReady', `the order is ${status}, not ready`)
  // A site may have come to one of the names since the order was made.
  const names = order.authorizations.map(({ identifier }) => toIdentifier(identifier, parts.names).value)
  const { spki } = await checkCsr(parse(finalizeSchema, payloadOf(signed)).csr, names, key.key)
  const { serial, chain, notBeforeMs, notAfterMs } = await parts.ca.sign(names, spki)
  const issued: IssuedCertificate = { account: account.id, serial, names, chain, notBeforeMs, notAfterMs }
  await createRecord(parts.vault, keys.certificate(serial), issued)
  const ended = await changeRecord(parts.vault, keys.order(account.id, order.id), orderSchema, (current) => {
    // The same request may have come twice, or a proof been given up: then this certificate is nobody's.
    if (statusOf(current, parts.environment.now()) !== 'ready') return undefined
    return { ...current, certificate: serial, expiresMs: Math.max(current.expiresMs, notAfterMs) }
  })
  if (ended.certificate !== serial) {
    await parts.vault.remove(keys.certificate(serial))
    throw problem('orderNotReady', 'the order was changed meanwhile')
  }
  parts.log.info({ account: account.id, names, serial, address: request.address }, 'certificate signed for ACME client')
  return orderAnswer(200, ended, request.origin, parts.environment.now())
}

/** Gives a certificate with its chain (section 7.4.2). */
export async function giveCertificate(
  signed: AccountRequest,
  place: { readonly account: string; readonly serial: string },
  parts: ServerParts,
): Promise<AcmeAnswer> {
  refuseOthers(signed.account, place.account)
  const kept = await readRecord(parts.vault, keys.certificate(place.serial), certificateSchema)
  if (kept?.value.account !== signed.account.id) throw notFound()
  return { status: 200, headers: { 'content-type': 'application/pem-certificate-chain' }, body: kept.value.chain }
}

/**
 * Notes that a certificate is revoked (section 7.6): asked by the account that has it, by one that has proven control of
 * all its names, or by the certificate's own key. Clients that ask when to renew are told: now.
 */
export async function revokeCertificate(signed: AccountRequest | KeyRequest, parts: ServerParts): Promise<AcmeAnswer> {
  const wish = parse(revokeSchema, payloadOf(signed))
  const { certificate, issued } = await findIssued(wish.certificate, parts)
  const mayRevoke =
    'account' in signed
      ? issued.account === signed.account.id || (await controlsAll(signed.account, issued.names, parts))
      : certificate.publicKey.equals(signed.key.key)
  if (!mayRevoke)
    throw problem('unauthorized', 'neither the account nor the key is one that can revoke this certificate')
  if (!reasons.includes(wish.reason))
    throw problem('badRevocationReason', `a reason is one of ${reasons.join(', ')}, not ${wish.reason}`)
  await changeRecord(parts.vault, keys.certificate(issued.serial), certificateSchema, (current) => {
    if (current.revoked) throw problem('alreadyRevoked', 'this certificate was revoked before')
    return { ...current, revoked: { atMs: parts.environment.now(), reason: wish.reason } }
  })
  parts.log.info(
    { names: issued.names, serial: issued.serial, reason: wish.reason },
    'certificate of ACME client revoked',
  )
  return { status: 200, headers: {}, body: '' }
}

/**
 * When a certificate should be renewed (RFC 9773 section 4). `id`: the key identifier of its issuer and its serial
 * number, both base64url, with a dot between; the serial alone finds it, since all are of one CA.
 */
export async function renewalInfo(id: string, parts: ServerParts): Promise<AcmeAnswer> {
  const serial = fromBase64url(id.split('.')[1])?.toString('hex') ?? ''
  const kept = /^[0-9a-f]{32}$/.test(serial)
    ? await readRecord(parts.vault, keys.certificate(serial), certificateSchema)
    : undefined
  if (!kept) throw notFound()
  const { notBeforeMs, notAfterMs, revoked } = kept.value
  const startMs = revoked ? notBeforeMs : renewalOf(notBeforeMs, notAfterMs)
  const endMs = revoked ? revoked.atMs : Math.floor((startMs + notAfterMs) / 2)
  const suggestedWindow = { start: new Date(startMs).toISOString(), end: new Date(endMs).toISOString() }
  return json(200, { suggestedWindow }, { 'retry-after': '21600' })
}

async function findIssued(
  text: string,
  { vault }: ServerParts,
): Promise<{ certificate: X509Certificate; issued: IssuedCertificate }> {
  const certificate = readCertificate(text)
  const serial = certificate.serialNumber.toLowerCase()
  const kept = /^[0-9a-f]{32}$/.test(serial)
    ? await readRecord(vault, keys.certificate(serial), certificateSchema)
    : undefined
  const hash = ({ raw }: X509Certificate) => createHash('sha256').update(raw).digest('hex')
  if (!kept || hash(new X509Certificate(kept.value.chain)) !== hash(certificate))
    throw problem('malformed', 'this server has not issued that certificate, or it ended long ago', { status: 404 })
  return { certificate, issued: kept.value }
}

function readCertificate(text: string): X509Certificate {
  const der = fromBase64url(text)
  try {
    if (der) return new X509Certificate(der)
  } catch {
    // The same answer as for what is not even base64url.
  }
  throw problem('malformed', 'certificate is one in DER, base64url without padding')
}

/** Whether an account has proven control of all names, with proofs that still count. */
async function controlsAll(
  account: Account,
  names: readonly string[],
  { vault, environment }: ServerParts,
): Promise<boolean> {
  const proven = new Set<string>()
  for await (const key of vault.list(keys.ordersOf(account.id))) {
    const kept = await readRecord(vault, key, orderSchema).catch((error: unknown) => {
      if (isGroveError(error, 'ERR_CERT')) return undefined
      throw error
    })
    if (!kept) continue
    for (const { identifier, status, validatedMs = 0 } of kept.value.authorizations)
      if (status === 'valid' && environment.now() < validatedMs + limits.acmeServer.orderMs)
        proven.add(identifier.value)
  }
  return names.every((name) => proven.has(name))
}
