/** PEM texts (RFC 7468), finding one block in a file that holds several; and how a certificate is known. */

import type { X509Certificate } from 'node:crypto'

/**
 * The first block of a label, from its BEGIN line to its END line and a newline, or undefined. `label` is upper case
 * letters and spaces: `CERTIFICATE`, `PRIVATE KEY`. The content is not decoded.
 */
export function pemBlock(text: string, label: string): string | undefined {
  const begin = text.indexOf(`-----BEGIN ${label}-----`)
  const endLine = `-----END ${label}-----`
  const end = text.indexOf(endLine, begin)
  return begin === -1 || end === -1 ? undefined : `${text.slice(begin, end + endLine.length)}\n`
}

/** SHA-256 of a certificate's DER, 64 lower-case hex digits: what people and `grove trust` know a root by. */
export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase()
}
