/**
 * The intermediate of the own CA on disk: `intermediate-key.pem`, 0600, its certificate and key in one file.
 *
 * It signs what there is to sign day by day, so the root's key is needed only when it is renewed. It is nobody's trust
 * anchor; a lost or damaged one is made anew without anybody noticing.
 */

import 'reflect-metadata' // Asked for by a dependency of @peculiar/x509, which refuses to load without it.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmod } from 'node:fs/promises'
import { X509Certificate as ParsedCertificate } from '@peculiar/x509'
import { createFile, readIfThere, replaceFile } from '../core/private-file.ts'
import { type Constraints, decodeConstraints, encodeConstraints, nameConstraintsOid } from './name-constraints.ts'
import { makeIntermediate, renewalOf, type Signer, toSigner } from './own-certificates.ts'
import { pemBlock } from './pem.ts'

/** An intermediate that can sign. */
export interface Intermediate {
  readonly signer: Signer
  /** Its certificate, PEM: what stands in a chain behind each leaf. */
  readonly pem: string
  readonly constraints: Constraints
  /** When the next one is to be made, in milliseconds. */
  readonly renewAtMs: number
}

/** Who signs an intermediate, and what it is to be. */
export interface IntermediateRequest {
  readonly root: X509Certificate
  readonly by: Signer
  readonly constraints: Constraints
  readonly nowMs: number
}

/**
 * The intermediate in a file; undefined when there is none, it is damaged, of another root, without name constraints, or
 * not valid now.
 */
export async function readIntermediate(
  file: string,
  root: X509Certificate,
  nowMs: number,
): Promise<Intermediate | undefined> {
  const text = await readIfThere(file)
  if (text === undefined) return undefined
  await chmod(file, 0o600)
  return parse(text, root, nowMs)
}

/** Whether the file holds a certificate that a root has signed, valid now or not: then the root is one in use. */
export async function hasIntermediateOf(file: string, root: X509Certificate): Promise<boolean> {
  const pem = pemBlock((await readIfThere(file)) ?? '', 'CERTIFICATE')
  try {
    return pem !== undefined && isIssuedBy(new X509Certificate(pem), root)
  } catch {
    return false // Damaged: nobody can tell whose it was.
  }
}

/**
 * Makes an intermediate, and puts it in the place of what the file is; or answers the one that another process has made
 * meanwhile, if it is such as was asked for.
 */
export async function renewIntermediate(file: string, request: IntermediateRequest): Promise<Intermediate | undefined> {
  const { root, by, constraints, nowMs } = request
  const { certificate, key } = await makeIntermediate(by, constraints, nowMs)
  const text = `${certificate}${key}`
  if (!(await createFile(file, text))) {
    const there = await readIntermediate(file, root, nowMs)
    if (there && isLimitedTo(there, constraints) && nowMs < there.renewAtMs) return there
    await replaceFile(file, text)
  }
  return parse(text, root, nowMs)
}

/** Whether an intermediate is limited to exactly these names. */
export function isLimitedTo({ constraints }: Intermediate, wanted: Constraints): boolean {
  return encodeConstraints(constraints).equals(encodeConstraints(wanted))
}

async function parse(text: string, root: X509Certificate, nowMs: number): Promise<Intermediate | undefined> {
  const pem = pemBlock(text, 'CERTIFICATE')
  const keyPem = pemBlock(text, 'PRIVATE KEY')
  if (pem === undefined || keyPem === undefined) return undefined
  try {
    const certificate = new X509Certificate(pem)
    const key = createPrivateKey(keyPem)
    const notBeforeMs = certificate.validFromDate.getTime()
    const notAfterMs = Math.min(certificate.validToDate.getTime(), root.validToDate.getTime())
    const usable =
      certificate.ca &&
      notBeforeMs <= nowMs &&
      nowMs < notAfterMs &&
      isIssuedBy(certificate, root) &&
      certificate.checkPrivateKey(key)
    const value = new ParsedCertificate(pem).getExtension(nameConstraintsOid)?.value
    const constraints = value && decodeConstraints(Buffer.from(value))
    if (!usable || !constraints) return undefined
    const pkcs8 = new Uint8Array(key.export({ type: 'pkcs8', format: 'der' }))
    const signer = await toSigner(pem, pkcs8, notAfterMs)
    // One that ends with its root cannot be renewed: the next would end at the same moment.
    const endsWithRoot = notAfterMs >= root.validToDate.getTime()
    return { signer, pem, constraints, renewAtMs: endsWithRoot ? notAfterMs : renewalOf(notBeforeMs, notAfterMs) }
  } catch {
    return undefined // Damaged inside its armour; that is the whole answer.
  }
}

function isIssuedBy(certificate: X509Certificate, root: X509Certificate): boolean {
  return certificate.checkIssued(root) && certificate.verify(root.publicKey)
}
