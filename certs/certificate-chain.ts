/**
 * Bringing certificates into the order of a chain: the one that the key belongs to, then its issuer, and so on up to,
 * but without, the root (RFC 8446 section 4.4.2: each directly certifies the one before, the root may be left out).
 */

import type { KeyObject, X509Certificate } from 'node:crypto'
import { limits } from '../core/limits.ts'
import { certificateFault } from './certificate-fault.ts'
import { fingerprintOf } from './pem.ts'

/**
 * The chain of a key among certificates in any order. Roots, certificates that are there twice, and other ways up from
 * one of the chain are left out. Throws `ERR_CERT`: `key` when none belongs to the key, `chain` when one has nothing to
 * do with the others or an issuer is missing, `expired` or `future` when an issuer is not valid now.
 */
export function toChain(certificates: readonly X509Certificate[], key: KeyObject, nowMs: number): X509Certificate[] {
  const each = new Map(certificates.map((certificate) => [fingerprintOf(certificate), certificate]))
  const all = [...each.values()]
  const fitting = all.filter((certificate) => certificate.checkPrivateKey(key))
  const leaf = fitting.find(({ ca }) => !ca) ?? fitting[0]
  if (!leaf) {
    const found = all.length === 1 ? 'another certificate' : 'none of the certificates'
    throw certificateFault('key', `the key belongs to ${found}`)
  }
  if (leaf.ca && all.some(({ ca }) => !ca)) throw certificateFault('key', `the key belongs to ${subjectOf(leaf)}, a CA`)
  refuseStrangers(leaf, all)
  const chain = [leaf]
  for (let last = leaf; !isSelfSigned(last); ) {
    const issuers = all.filter((other) => !chain.includes(other) && isIssuedBy(last, other))
    const valid = issuers.filter((issuer) => !timeFault(issuer, nowMs))
    const next = valid.find((issuer) => !isSelfSigned(issuer))
    if (!next) {
      const [outdated] = issuers
      if (last === leaf && outdated && valid.length === 0) throw timeFault(outdated, nowMs)
      if (last === leaf && issuers.length === 0) refuseMissing(leaf)
      break
    }
    chain.push(next)
    last = next
  }
  return chain
}

/** Whether a certificate is its own issuer, and says so. */
export function isSelfSigned(certificate: X509Certificate): boolean {
  return isIssuedBy(certificate, certificate)
}

/** Why a certificate cannot be used at a time: it has ended, or not begun. Undefined when it can. */
export function timeFault(
  certificate: X509Certificate,
  nowMs: number,
): ReturnType<typeof certificateFault> | undefined {
  const notBefore = certificate.validFromDate
  const notAfter = certificate.validToDate
  if (!(notAfter.getTime() > nowMs))
    return certificateFault('expired', `${subjectOf(certificate)} ended at ${toText(notAfter)}`)
  if (!(notBefore.getTime() <= nowMs + limits.cert.aheadMs))
    return certificateFault('future', `${subjectOf(certificate)} begins only at ${toText(notBefore)}`, {
      hint: 'if that is in the past, the clock of this machine is wrong',
    })
  return undefined
}

/** A certificate for people: `the certificate of a.example`. */
export function subjectOf({ subject, subjectAltName, serialNumber }: X509Certificate): string {
  const name = /^CN=(.+)$/m.exec(subject ?? '')?.[1] ?? /DNS:([^,"]+)/.exec(subjectAltName ?? '')?.[1]
  return `the certificate ${name === undefined ? `with the serial number ${serialNumber}` : `of ${name.slice(0, 253)}`}`
}

/** Somebody put together what does not belong together: better to say so than to send visitors half of it. */
function refuseStrangers(leaf: X509Certificate, all: readonly X509Certificate[]): void {
  const related = new Set([leaf])
  for (const one of related) for (const other of all) if (isIssuedBy(one, other)) related.add(other)
  const stranger = all.find((certificate) => !related.has(certificate))
  if (stranger)
    throw certificateFault('chain', `${subjectOf(stranger)} has not issued ${subjectOf(leaf)} nor one above it`, {
      hint: 'leave only the certificate, and those between it and the root',
    })
}

/** A certificate that tells where its issuer's can be had has one that clients do not know, unless that is a root. */
function refuseMissing(leaf: X509Certificate): void {
  if (!leaf.infoAccess?.includes('CA Issuers')) return
  throw certificateFault('chain', `the certificate of the issuer of ${subjectOf(leaf)} is missing`, {
    hint: 'put the full chain into the file; if a root issued it directly, the root behind it',
  })
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return issuer.ca || certificate === issuer
      ? certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
      : false
  } catch {
    return false // A key of a kind that this Node does not know.
  }
}

function toText(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'no time at all' : date.toISOString()
}
