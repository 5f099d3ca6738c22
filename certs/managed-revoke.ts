/** Revoking a managed certificate: at the CA first, then in the vault, so that nobody uses it any more. */

import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { RevocationReason } from './acme/issuer.ts'
import { type CertificateRecord, encodeRecord, newRecord, openCertificate, recordKey } from './managed-record.ts'
import { noteRevocation } from './managed-revoked.ts'
import { readRecord, type TendOptions } from './managed-tend.ts'
import type { Lease } from './vault.ts'
import { within } from './within.ts'

/**
 * Revokes what the vault holds for a name, and answers the record as it is then: without a certificate. Rejects with
 * `ERR_CERT_NAME` when there is none, `ERR_CERT` when the CA that issued it is not configured any more, `ERR_CONFLICT`
 * while it is being ordered, and with what the CA says.
 */
export async function revokeUnderLease(
  name: string,
  reason: RevocationReason,
  options: TendOptions & { readonly isShared?: boolean },
  signal: AbortSignal,
): Promise<CertificateRecord> {
  const { environment, issuers, log, isShared = false } = options
  await using held = await leaseOf(name, options, signal)
  const certificate = (await readRecord(name, options))?.certificate
  if (!certificate) throw new GroveError('ERR_CERT_NAME', `there is no certificate for "${name}"`)
  const issuer = issuers.find((choice) => choice.issuer.id === certificate.issuerId)?.issuer
  if (!issuer)
    throw new GroveError(
      'ERR_CERT',
      `${certificate.directory}, which issued the certificate of ${name}, is not configured`,
    )
  const both = AbortSignal.any([signal, held.signal])
  const what = `the revocation of ${name} at ${issuer.directory}`
  await within({ environment, ms: limits.managed.revokeMs, what, signal: both }, () =>
    issuer.revoke(openCertificate(certificate, environment.now()), reason),
  )
  const revoked = { id: certificate.id, atMs: environment.now() }
  const record = { ...newRecord(name), revoked }
  await held.write(recordKey(name), encodeRecord(record))
  // Afterwards: who finds the note has to find the record as it is now.
  if (isShared)
    await noteRevocation(held, name, revoked).catch((error: unknown) => {
      log.warn({ err: error, name }, 'other machines learn of a revocation some minutes later')
    })
  return record
}

/** The lease of a name. One that is about to be given back, as after an order, is waited for. */
async function leaseOf(name: string, { vault, environment }: TendOptions, signal: AbortSignal): Promise<Lease> {
  for (let tries = 1; tries <= limits.managed.leaseTries; tries += 1) {
    const lease = await vault.lease(recordKey(name), signal)
    if (lease) return lease
    await environment.sleep(limits.managed.leaseRetryMs, signal)
  }
  throw new GroveError('ERR_CONFLICT', `the certificate of ${name} is being ordered`, { hint: 'ask again in a minute' })
}
