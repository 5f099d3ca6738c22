/** What is to be done next for a managed certificate: pure functions over its record and the time. */

import { limits } from '../core/limits.ts'
import type { CertificateRecord } from './managed-record.ts'
import { renewalTime } from './schedule.ts'

/** What comes next, and when. `ask`: ask the CA when it wants the renewal. */
export interface NextStep {
  readonly step: 'order' | 'ask'
  readonly atMs: number
}

/** A certificate is used for at least this long, or for a quarter of what was left of it when it came. */
const leastUseMs = 43_200_000

/** The next step for a name with this record, or without one. */
export function nextStep(record: CertificateRecord | undefined, nowMs: number): NextStep {
  // What is retried waits for its turn, also where the CA has changed its mind about the renewal since.
  const nextMs = record?.nextTryAtMs
  const retryMs = nextMs === undefined ? Number.NEGATIVE_INFINITY : plausible(nextMs, nowMs)
  if (!record?.certificate) return { step: 'order', atMs: Math.max(nowMs, retryMs) }
  const orderMs = Math.max(renewalAt(record), retryMs)
  const { renewal, certificate } = record
  const askMs = renewal?.id === certificate.id ? plausible(renewal.askAgainMs, nowMs) : nowMs
  return askMs < orderMs && orderMs > nowMs ? { step: 'ask', atMs: askMs } : { step: 'order', atMs: orderMs }
}

/**
 * When the certificate of a record is to be renewed; negative infinity when there is none. Never right after it came: a
 * CA that always wants the next one at once, or whose certificates are old when they come, gets no order every second.
 */
export function renewalAt({ certificate, renewal, obtainedAtMs }: CertificateRecord): number {
  if (!certificate) return Number.NEGATIVE_INFINITY
  const { notBeforeMs, notAfterMs } = certificate
  const cameMs = Math.min(obtainedAtMs ?? notBeforeMs, notAfterMs)
  const atMs = renewalTime(certificate, renewal?.id === certificate.id ? renewal.window?.chosenMs : undefined)
  return Math.max(atMs, cameMs + Math.min(leastUseMs, (notAfterMs - cameMs) / 4))
}

/**
 * A time to wait for that was written down once. One that lies further ahead than any that we choose was written under a
 * clock that has been set back since: then there is nothing to wait for.
 */
export function plausible(atMs: number | undefined, nowMs: number): number {
  return atMs === undefined || atMs > nowMs + 2 * limits.managed.longestWaitMs ? nowMs : atMs
}
