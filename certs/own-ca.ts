/**
 * Grove's own certificate authority: one ECDSA P-256 root, and the leaves that it signs.
 *
 * The root is for the people of one machine or one network, who trust it by hand (`grove trust`). Its key can sign for
 * any name, so whoever reads `<folder>/root-key.pem` can stand in for any server towards those people: the file is 0600
 * in a folder of 0700, it never leaves control, and fronts get leaves only. Nothing here defends against root.
 *
 * Key and certificate of the root lie in one file that is made in one step, so no kill can part them; `root.pem`, the
 * certificate alone, is a copy for people and tools and is made again whenever it differs.
 */

import 'reflect-metadata' // Asked for by a dependency of @peculiar/x509, which refuses to load without it.
import { createHash, createPrivateKey, X509Certificate as NodeCertificate, randomBytes } from 'node:crypto'
import { chmod } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { GroveError } from '../core/errors.ts'
import type { Leaf } from '../core/messages.ts'
import { isAuthority } from '../core/names.ts'
import { createFile, makePrivateFolder, readIfThere, removeLeftovers, replaceFile } from '../core/private-file.ts'
import { fingerprintOf, pemBlock } from './pem.ts'

const dayMs = 86_400_000
const rootLifeMs = 3_652 * dayMs

/**
 * How long a leaf is valid, in milliseconds: a week. Nobody can revoke a leaf of this CA (no browser would ask), so the
 * end of its life is the only end; and a machine that was off over a weekend still starts with certificates that hold.
 */
export const leafLifeMs: number = 7 * dayMs

/** How far in the past a certificate begins, in milliseconds: clocks of visitors may be behind ours. */
const backdateMs = 3_600_000

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const signing = { name: 'ECDSA', hash: 'SHA-256' }

/** A certificate authority that signs in this process. */
export interface OwnCa {
  /** The root's certificate, PEM. */
  readonly rootPem: string
  /** Where {@link rootPem} lies: `<folder>/root.pem`. */
  readonly rootFile: string
  /** SHA-256 of the root's DER, 64 lower-case hex digits. */
  readonly fingerprint: string
  /**
   * A new certificate with a new key for one name, valid for {@link leafLifeMs} or until the root ends. Asks nobody
   * whether the name is ours. Throws `ERR_CERT_NAME` for what is not a host name.
   */
  issue(name: string): Promise<Leaf>
}

/**
 * Opens the CA in a folder; makes the folder and the root the first time, and a new root when the old one has no full
 * leaf's life left (then nobody's trust in it is worth keeping). Throws `ERR_CERT` when the root's file is damaged: a
 * new root in its place would silently take away the trust of everybody who installed it.
 */
export async function openOwnCa(folder: string, options: { now?: () => number } = {}): Promise<OwnCa> {
  const now = options.now ?? Date.now
  await makePrivateFolder(folder)
  await removeLeftovers(folder)
  const keyFile = join(folder, 'root-key.pem')
  const rootFile = join(folder, 'root.pem')
  let root = await readRoot(keyFile)
  if (!root) {
    await createFile(keyFile, await createRoot(now()))
    // Another process may have made it first; what lies there now is the root.
    root = await readRoot(keyFile)
  } else if (root.notAfterMs < now() + leafLifeMs) {
    await replaceFile(keyFile, await createRoot(now()))
    root = await readRoot(keyFile)
  }
  if (!root) throw damaged(keyFile, 'it went away while it was read')
  if ((await readIfThere(rootFile)) !== root.pem) await replaceFile(rootFile, root.pem, 0o644)
  const signer = await toSigner(root)
  return {
    rootPem: root.pem,
    rootFile,
    fingerprint: root.fingerprint,
    issue: (name) => issueLeaf(signer, name, now()),
  }
}

interface Root {
  readonly pem: string
  readonly keyPem: string
  readonly fingerprint: string
  readonly notAfterMs: number
}

/** The root as the generator of certificates wants it, made once. */
interface Signer {
  readonly certificate: X509Certificate
  readonly key: CryptoKey
  readonly notAfterMs: number
}

async function createRoot(nowMs: number): Promise<string> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  // The key's hash in the name tells the roots of several Groves apart in a browser's list.
  const keyHash = createHash('sha256').update(Buffer.from(await crypto.subtle.exportKey('spki', keys.publicKey)))
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: `CN=Grove Local CA ${keyHash.digest('hex').slice(0, 8)}`,
    serialNumber: randomSerial(),
    notBefore: toSecond(nowMs - backdateMs),
    notAfter: toSecond(nowMs + rootLifeMs),
    signingAlgorithm: signing,
    keys,
    extensions: [
      // No CA may stand under this one: pathLenConstraint 0 (RFC 5280 section 4.2.1.9).
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return `${toPem(certificate)}${await exportKey(keys.privateKey)}`
}

async function readRoot(keyFile: string): Promise<Root | undefined> {
  const text = await readIfThere(keyFile)
  if (text === undefined) return undefined
  await chmod(keyFile, 0o600)
  const pem = pemBlock(text, 'CERTIFICATE')
  const keyPem = pemBlock(text, 'PRIVATE KEY')
  if (pem === undefined || keyPem === undefined) throw damaged(keyFile, 'it lacks the certificate or the key')
  try {
    const certificate = new NodeCertificate(pem)
    const whole =
      certificate.ca &&
      certificate.checkPrivateKey(createPrivateKey(keyPem)) &&
      certificate.verify(certificate.publicKey)
    if (!whole) throw damaged(keyFile, 'its key and certificate do not belong together')
    const notAfterMs = certificate.validToDate.getTime()
    return { pem, keyPem, fingerprint: fingerprintOf(certificate), notAfterMs }
  } catch (error) {
    throw error instanceof GroveError ? error : damaged(keyFile, 'it cannot be parsed', error)
  }
}

async function toSigner(root: Root): Promise<Signer> {
  const pkcs8 = createPrivateKey(root.keyPem).export({ type: 'pkcs8', format: 'der' })
  const key = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign'])
  return { certificate: new X509Certificate(root.pem), key, notAfterMs: root.notAfterMs }
}

async function issueLeaf(root: Signer, name: string, nowMs: number): Promise<Leaf> {
  // An address never comes by SNI (RFC 6066 section 3), so it never needs a leaf.
  if (!isAuthority(name) || name.startsWith('[') || isIP(name) !== 0)
    throw new GroveError(
      'ERR_CERT_NAME',
      `cannot issue a certificate for "${name}": expected a host name in lower case`,
    )
  const notBefore = toSecond(nowMs - backdateMs)
  const notAfter = toSecond(Math.min(nowMs + leafLifeMs, root.notAfterMs))
  if (notAfter.getTime() <= nowMs)
    throw new GroveError('ERR_CERT', 'the root of the own CA has ended', {
      hint: 'restart grove: it makes a new root',
    })
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.create({
    issuer: root.certificate.subjectName,
    serialNumber: randomSerial(),
    notBefore,
    notAfter,
    signingAlgorithm: signing,
    signingKey: root.key,
    publicKey: keys.publicKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      // Critical because the subject is empty (RFC 5280 section 4.1.2.6): a common name holds 64 characters, names have 253.
      new SubjectAlternativeNameExtension([{ type: 'dns', value: name }], true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      await AuthorityKeyIdentifierExtension.create(root.certificate.publicKey),
    ],
  })
  return {
    name,
    chain: toPem(certificate),
    key: await exportKey(keys.privateKey),
    notBeforeMs: notBefore.getTime(),
    notAfterMs: notAfter.getTime(),
    renewAtMs: renewalOf(notBefore.getTime(), notAfter.getTime()),
  }
}

/** When a certificate is to be renewed: two thirds into its life, so that a third is left for a control that is away. */
export function renewalOf(notBeforeMs: number, notAfterMs: number): number {
  return Math.floor(notBeforeMs + ((notAfterMs - notBeforeMs) * 2) / 3)
}

/** 16 random bytes, positive and without a leading zero (RFC 5280 section 4.1.2.2). */
function randomSerial(): string {
  const bytes = randomBytes(16)
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40
  return bytes.toString('hex')
}

/** Certificates know no milliseconds. */
function toSecond(timeMs: number): Date {
  return new Date(Math.floor(timeMs / 1000) * 1000)
}

function toPem(certificate: X509Certificate): string {
  return `${certificate.toString('pem')}\n`
}

async function exportKey(key: CryptoKey): Promise<string> {
  return `${PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`
}

function damaged(file: string, reason: string, cause?: unknown): GroveError {
  return new GroveError('ERR_CERT', `the root of the own CA, ${file}, is damaged: ${reason}`, {
    cause,
    hint: 'restore the file from a backup, or remove it to get a new root, which everybody has to trust anew',
  })
}
