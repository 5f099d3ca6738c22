/**
 * The root of the own CA on disk.
 *
 * Key and certificate lie in one file that is made in one step, so no kill can part them: `root-key.pem`, 0600.
 * `root.pem`, the certificate alone, is a copy for people and tools and is made again whenever it differs. An operator
 * may take `root-key.pem` away and keep it elsewhere, as long as `root.pem` and the intermediate stay.
 */

import 'reflect-metadata' // Asked for by a dependency of @peculiar/x509, which refuses to load without it.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { BasicConstraintsExtension, X509Certificate as ParsedCertificate } from '@peculiar/x509'
import { GroveError } from '../core/errors.ts'
import { createFile, readIfThere, replaceFile } from '../core/private-file.ts'
import { leafLifeMs, makeRoot, type Signer, toSigner } from './own-certificates.ts'
import { fingerprintOf, pemBlock } from './pem.ts'

/** The root of an own CA. */
export interface OwnRoot {
  /** Its certificate, PEM. */
  readonly pem: string
  /** Where {@link pem} lies. */
  readonly file: string
  readonly certificate: X509Certificate
  /** SHA-256 of its DER, 64 lower-case hex digits. */
  readonly fingerprint: string
  readonly notAfterMs: number
  /** Whether a CA may stand under it. Roots that an earlier Grove made say that none may. */
  readonly allowsIntermediate: boolean
  /** Undefined when its key is kept elsewhere. */
  readonly signer: Signer | undefined
}

/**
 * The root in a folder. Made the first time, and anew when the old one has no full leaf's life left (then nobody's trust
 * in it is worth keeping). Without its key it is answered when `isKeptFor` says that something is there which it has
 * signed. Throws `ERR_CERT` when the file is damaged: a new root in its place would silently take away the trust of
 * everybody who installed it.
 */
export async function openRoot(
  folder: string,
  nowMs: number,
  isKeptFor: (root: X509Certificate) => Promise<boolean>,
): Promise<OwnRoot> {
  const keyFile = join(folder, 'root-key.pem')
  const file = join(folder, 'root.pem')
  let root = await readRoot(keyFile, file)
  if (!root) {
    const keyless = await readKeyless(file)
    if (keyless && (await isKeptFor(keyless.certificate))) return keyless
    await createFile(keyFile, await newRoot(nowMs))
    // Another process may have made it first; what lies there now is the root.
    root = await readRoot(keyFile, file)
  } else if (root.notAfterMs < nowMs + leafLifeMs) {
    await replaceFile(keyFile, await newRoot(nowMs))
    root = await readRoot(keyFile, file)
  }
  if (!root) throw damaged(keyFile, 'it went away while it was read')
  if ((await readIfThere(file)) !== root.pem) await replaceFile(file, root.pem, 0o644)
  return root
}

async function newRoot(nowMs: number): Promise<string> {
  const { certificate, key } = await makeRoot(nowMs)
  return `${certificate}${key}`
}

async function readRoot(keyFile: string, file: string): Promise<OwnRoot | undefined> {
  const text = await readIfThere(keyFile)
  if (text === undefined) return undefined
  await chmod(keyFile, 0o600)
  const pem = pemBlock(text, 'CERTIFICATE')
  const keyPem = pemBlock(text, 'PRIVATE KEY')
  if (pem === undefined || keyPem === undefined) throw damaged(keyFile, 'it lacks the certificate or the key')
  try {
    const key = createPrivateKey(keyPem)
    const known = describe(pem, file)
    if (!known?.certificate.checkPrivateKey(key))
      throw damaged(keyFile, 'its key and certificate do not belong together')
    const pkcs8 = new Uint8Array(key.export({ type: 'pkcs8', format: 'der' }))
    return { ...known, signer: await toSigner(pem, pkcs8, known.notAfterMs) }
  } catch (error) {
    throw error instanceof GroveError ? error : damaged(keyFile, 'it cannot be parsed', error)
  }
}

/** The certificate alone. Undefined when it is none that a key elsewhere could belong to. */
async function readKeyless(file: string): Promise<OwnRoot | undefined> {
  const pem = pemBlock((await readIfThere(file)) ?? '', 'CERTIFICATE')
  try {
    return pem === undefined ? undefined : describe(pem, file)
  } catch {
    return undefined // Not a certificate: the root is made anew, as if nothing were there.
  }
}

/** Undefined for what is not a root. Throws for what is not a certificate. */
function describe(pem: string, file: string): OwnRoot | undefined {
  const certificate = new X509Certificate(pem)
  if (!certificate.ca || !certificate.verify(certificate.publicKey)) return undefined
  const basic = new ParsedCertificate(pem).getExtension(BasicConstraintsExtension)
  return {
    pem,
    file,
    certificate,
    fingerprint: fingerprintOf(certificate),
    notAfterMs: certificate.validToDate.getTime(),
    allowsIntermediate: basic?.pathLength !== 0,
    signer: undefined,
  }
}

function damaged(file: string, reason: string, cause?: unknown): GroveError {
  return new GroveError('ERR_CERT', `the root of the own CA, ${file}, is damaged: ${reason}`, {
    cause,
    hint: 'restore the file from a backup, or remove it and root.pem to get a new root, which everybody has to trust anew',
  })
}
