/** When a CA wants a certificate to be renewed: ACME Renewal Information, RFC 9773. */

import 'reflect-metadata' // Asked for by a dependency of @peculiar/x509, which refuses to load without it.
import { AuthorityKeyIdentifierExtension, X509Certificate } from '@peculiar/x509'
import { limits } from '../../core/limits.ts'
import type { Certificate } from '../certificate.ts'
import { pemBlock } from '../pem.ts'
import { acmeError, acmeFacts } from './acme-error.ts'
import { toRenewal } from './answers.ts'
import type { Ca } from './ca.ts'
import { parseRetryAfter } from './transport.ts'

const bounds = limits.acme

/** When a certificate should be renewed, in the CA's opinion. A time inside is chosen at random, once. */
export interface RenewalWindow {
  /** In milliseconds since the epoch, as {@link RenewalWindow.endMs}; the end may be in the past. */
  readonly startMs: number
  readonly endMs: number
  /** When to ask for it again, in milliseconds since the epoch. */
  readonly askAgainMs: number
  /** A page for people that tells why the window is where it is. */
  readonly explanationUrl?: string
}

/**
 * How a CA knows a certificate (section 4.1): the key identifier of its issuer, and its serial number as it stands in
 * DER, both base64url. Undefined for a certificate that does not name its issuer's key.
 */
export function certificateId({ chain }: Pick<Certificate, 'chain'>): string | undefined {
  const certificate = new X509Certificate(pemBlock(chain, 'CERTIFICATE') ?? '')
  const keyId = certificate.getExtension(AuthorityKeyIdentifierExtension)?.keyId
  if (keyId === undefined) return undefined
  const digits = certificate.serialNumber.padStart(
    certificate.serialNumber.length + (certificate.serialNumber.length % 2),
    '0',
  )
  // A number whose first bit is set has a zero before it, so that it is not a negative one (X.690 section 8.3).
  const serial = /^[89a-f]/i.test(digits) ? `00${digits}` : digits
  return `${Buffer.from(keyId, 'hex').toString('base64url')}.${Buffer.from(serial, 'hex').toString('base64url')}`
}

/** The CA's window for a certificate. Undefined when the CA has none, or does not know the certificate. */
export async function readRenewal(
  ca: Ca,
  certificate: Certificate,
  signal: AbortSignal,
): Promise<RenewalWindow | undefined> {
  const { renewalInfo } = await ca.readDirectory(signal)
  const id = renewalInfo === undefined ? undefined : certificateId(certificate)
  if (renewalInfo === undefined || id === undefined) return undefined
  const subject = `renewal ${id}`
  ca.quiet.check(subject)
  try {
    const answer = await ca.quiet.watch(subject, () =>
      ca.transport.send(`${renewalInfo.replace(/\/$/, '')}/${id}`, 'get', undefined, signal),
    )
    const { suggestedWindow, explanationURL } = toRenewal(answer.data)
    const startMs = Date.parse(suggestedWindow.start)
    const endMs = Date.parse(suggestedWindow.end)
    // Section 4.2: such a window is to be treated as none.
    if (!(startMs < endMs)) throw acmeError('the CA wants a renewal to end before it begins', { reason: 'answer' })
    const waitMs = parseRetryAfter(answer.headers['retry-after'], ca.now()) ?? bounds.renewalInfoMs
    const clampedMs = Math.min(Math.max(waitMs, bounds.leastRenewalInfoMs), bounds.mostRenewalInfoMs)
    return {
      startMs,
      endMs,
      askAgainMs: ca.now() + clampedMs,
      // It is shown to people, who may follow it.
      ...(explanationURL?.startsWith('https://') && { explanationUrl: explanationURL }),
    }
  } catch (error) {
    const status = acmeFacts(error)?.status
    if (status === 404 || status === 410) return undefined
    throw error
  }
}
