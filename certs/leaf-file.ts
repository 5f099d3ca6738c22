/**
 * Leaves on disk: one file of a name holds the key and the chain, so that no kill can part them.
 *
 * The file's name is the SHA-256 of the authority: it is never too long, and nothing that a client sends is a path.
 */

import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { Leaf } from '../core/messages.ts'
import { renewalOf } from './own-certificates.ts'
import { pemBlock, pemBlocks } from './pem.ts'

/** The file of a name's leaf. */
export function leafFile(folder: string, name: string): string {
  return join(folder, `${createHash('sha256').update(name).digest('hex')}.pem`)
}

/** A leaf as the text of its file. */
export function encodeLeaf(leaf: Leaf): string {
  return `${leaf.chain}${leaf.key}`
}

/**
 * The leaf in a file's text, or undefined when the text is damaged, the key is of another certificate, the name is
 * another one, the chain does not lead to this root, or one of it is not valid now. Never throws: what cannot be used is
 * made again.
 */
export function decodeLeaf(text: string, name: string, root: X509Certificate, nowMs: number): Leaf | undefined {
  const key = pemBlock(text, 'PRIVATE KEY')
  if (key === undefined) return undefined
  try {
    const pems = pemBlocks(text).flatMap((block) => (block.label === 'CERTIFICATE' ? [block.text] : []))
    const chain = pems.map((pem) => new X509Certificate(pem))
    const [certificate] = chain
    if (!certificate || chain.length > mostInChain) return undefined
    const notBeforeMs = certificate.validFromDate.getTime()
    const notAfterMs = certificate.validToDate.getTime()
    const usable =
      chain.every((one) => isValidAt(one, nowMs)) &&
      chain.every((one, index) => isIssuedBy(one, chain[index + 1] ?? root)) &&
      isFor(certificate, name) &&
      certificate.checkPrivateKey(createPrivateKey(key))
    const renewAtMs = renewalOf(notBeforeMs, notAfterMs)
    return usable ? { name, chain: pems.join(''), key, notBeforeMs, notAfterMs, renewAtMs } : undefined
  } catch {
    return undefined // Damaged inside its armour; that is the whole answer.
  }
}

/** A leaf and an intermediate. */
const mostInChain = 2

function isValidAt({ validFromDate, validToDate }: X509Certificate, nowMs: number): boolean {
  return validFromDate.getTime() <= nowMs && nowMs < validToDate.getTime()
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
}

function isFor(certificate: X509Certificate, name: string): boolean {
  if (isIP(name) !== 0) return certificate.checkIP(name) !== undefined
  return certificate.checkHost(name, { subject: 'never', wildcards: false }) === name
}
