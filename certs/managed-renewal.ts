/** Asking the CA when it wants a certificate to be renewed (ARI, RFC 9773). */

import type { Logger } from 'pino'
import { limits } from '../core/limits.ts'
import type { Environment } from '../store/environment.ts'
import type { IssuerChoice } from './managed-order.ts'
import { type CertificateRecord, openCertificate } from './managed-record.ts'
import { chooseRenewal, toFraction } from './schedule.ts'
import { within } from './within.ts'

/** What asking needs. */
export interface RenewalOptions {
  readonly issuers: readonly IssuerChoice[]
  readonly environment: Environment
  readonly log: Logger
}

/**
 * The record with what the CA says. A time within the window is chosen once, and again only when the window is another
 * one. A CA that does not answer changes nothing but when it is asked again. Rejects only when the signal aborts.
 */
export async function askForRenewal(
  record: CertificateRecord,
  { issuers, environment, log }: RenewalOptions,
  signal: AbortSignal,
): Promise<CertificateRecord> {
  const { certificate } = record
  if (!certificate) return record
  const { id } = certificate
  const known = record.renewal?.id === id ? record.renewal.window : undefined
  const nowMs = environment.now()
  const later = { id, askAgainMs: nowMs + limits.managed.renewalInfoEveryMs, ...(known && { window: known }) }
  const issuer = issuers.find((choice) => choice.issuer.id === certificate.issuerId)?.issuer
  if (!issuer) return { ...record, renewal: later }
  try {
    const what = `renewal information of ${record.names[0]} from ${issuer.directory}`
    const said = await within({ environment, ms: limits.managed.renewalInfoMs, what, signal }, () =>
      issuer.renewal(openCertificate(certificate, nowMs)),
    )
    if (!said) return { ...record, renewal: { id, askAgainMs: nowMs + limits.managed.renewalInfoNoneMs } }
    const { startMs, endMs, askAgainMs } = said
    const isKnown = known?.startMs === startMs && known.endMs === endMs
    const chosenMs = isKnown ? known.chosenMs : chooseRenewal(said, toFraction(environment.randomBytes(4)))
    return { ...record, renewal: { id, askAgainMs: bounded(askAgainMs, nowMs), window: { startMs, endMs, chosenMs } } }
  } catch (error) {
    signal.throwIfAborted()
    log.debug({ err: error, names: record.names }, 'the CA does not say when it wants a renewal')
    return { ...record, renewal: later }
  }
}

function bounded(askAgainMs: number, nowMs: number): number {
  const { lookEveryMs, longestWaitMs } = limits.managed
  return Math.min(Math.max(askAgainMs, nowMs + lookEveryMs), nowMs + longestWaitMs)
}
