/**
 * Leaves on disk: one file of a name holds the key and the chain, so that no kill can part them.
 *
 * The file's name is the SHA-256 of the authority: it is never too long, and nothing that a client sends is a path.
 */

import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { Leaf } from '../core/messages.ts'
import { renewalOf } from './own-ca.ts'
import { pemBlock } from './pem.ts'

/** The file of a name's leaf. */
export function leafFile(folder: string, name: string): string {
  return join(folder, `${createHash('sha256').update(name).digest('hex')}.pem`)
}

/** A leaf as the text of its file. */
export function encodeLeaf(leaf: Leaf): string {
  return `${leaf.chain}${leaf.key}`
}

/**
 * The leaf in a file's text, or undefined when the text is damaged, the key is of another certificate, the name or the
 * issuer is another one, or the certificate is not valid now. Never throws: what cannot be used is made again.
 */
export function decodeLeaf(text: string, name: string, root: X509Certificate, nowMs: number): Leaf | undefined {
  const chain = pemBlock(text, 'CERTIFICATE')
  const key = pemBlock(text, 'PRIVATE KEY')
  if (chain === undefined || key === undefined) return undefined
  try {
    const certificate = new X509Certificate(chain)
    const notBeforeMs = certificate.validFromDate.getTime()
    const notAfterMs = certificate.validToDate.getTime()
    const usable =
      notBeforeMs <= nowMs &&
      nowMs < notAfterMs &&
      certificate.checkHost(name, { subject: 'never', wildcards: false }) === name &&
      certificate.checkIssued(root) &&
      certificate.verify(root.publicKey) &&
      certificate.checkPrivateKey(createPrivateKey(key))
    const renewAtMs = renewalOf(notBeforeMs, notAfterMs)
    return usable ? { name, chain, key, notBeforeMs, notAfterMs, renewAtMs } : undefined
  } catch {
    return undefined // Damaged inside its armour; that is the whole answer.
  }
}
