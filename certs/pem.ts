/** PEM texts (RFC 7468), finding blocks in a file that holds several; and how a certificate is known. */

import type { X509Certificate } from 'node:crypto'
import { certificateFault } from './certificate-fault.ts'

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

/** One block of a PEM text. */
export interface PemBlock {
  /** `CERTIFICATE`, `RSA PRIVATE KEY` … */
  readonly label: string
  /** From its BEGIN line to its END line and a newline, as it stands in the text. */
  readonly text: string
}

const beginLine = /-----BEGIN ([A-Z0-9][A-Z0-9 ]{0,40})-----/g

/**
 * All blocks of a text, in their order; what stands around them is passed over, as RFC 7468 section 2 wants it. Throws
 * `ERR_CERT` (`parse`) for a block that does not end.
 */
export function pemBlocks(text: string): PemBlock[] {
  const blocks: PemBlock[] = []
  beginLine.lastIndex = 0
  for (let found = beginLine.exec(text); found; found = beginLine.exec(text)) {
    const [, label = ''] = found
    const endLine = `-----END ${label}-----`
    const end = text.indexOf(endLine, found.index)
    if (end === -1) throw certificateFault('parse', `the block ${label} is cut off: its END line is missing`)
    blocks.push({ label, text: `${text.slice(found.index, end + endLine.length)}\n` })
    beginLine.lastIndex = end + endLine.length
  }
  return blocks
}

/** SHA-256 of a certificate's DER, 64 lower-case hex digits: what people and `grove trust` know a root by. */
export function fingerprintOf(certificate: X509Certificate): string {
  return certificate.fingerprint256.replaceAll(':', '').toLowerCase()
}
