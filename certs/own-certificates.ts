/**
 * The three kinds of certificates of the own CA, signed: its root, the intermediate under it, and leaves.
 *
 * ECDSA on P-256 throughout: every client takes it, and a handshake costs a tenth of RSA's.
 */

import 'reflect-metadata' // Asked for by a dependency of @peculiar/x509, which refuses to load without it.
import { createHash, randomBytes, type webcrypto } from 'node:crypto'
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'
import { toAddress } from './addresses.ts'
import { type Constraints, encodeConstraints, nameConstraintsOid } from './name-constraints.ts'

const dayMs = 86_400_000
const rootLifeMs = 3_652 * dayMs

/**
 * How long an intermediate is valid, in milliseconds: three years. It is renewed after two, so who keeps the root's key
 * elsewhere has to bring it back once in two to three years.
 */
export const intermediateLifeMs: number = 1_096 * dayMs

/**
 * How long a leaf is valid, in milliseconds: a week. Nobody can revoke a leaf of this CA (no browser would ask), so the
 * end of its life is the only end; and a machine that was off over a weekend still starts with certificates that hold.
 */
export const leafLifeMs: number = 7 * dayMs

/** How far in the past a certificate begins, in milliseconds: clocks of visitors may be behind ours. */
const backdateMs = 3_600_000

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const signing = { name: 'ECDSA', hash: 'SHA-256' }

/** Who signs: a certificate of a CA as the generator of certificates wants it, with its key. */
export interface Signer {
  readonly certificate: X509Certificate
  readonly key: CryptoKey
  /** Names the key in what it signs. Made once, since it is the same in all. */
  readonly keyIdentifier: AuthorityKeyIdentifierExtension
  /** When the first of its chain ends, in milliseconds: nothing that it signs outlives that. */
  readonly notAfterMs: number
}

/** A certificate with its key, in PEM. */
export interface KeyedPem {
  readonly certificate: string
  readonly key: string
}

/** A leaf that was signed. */
export interface SignedLeaf {
  /** PEM, without those above it. */
  readonly certificate: string
  /** Hex digits, lower case. */
  readonly serial: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** A signer from a certificate in PEM and its key, P-256 as PKCS#8 in DER. */
export async function toSigner(pem: string, pkcs8: Uint8Array<ArrayBuffer>, notAfterMs: number): Promise<Signer> {
  const certificate = new X509Certificate(pem)
  return {
    certificate,
    key: await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    keyIdentifier: await AuthorityKeyIdentifierExtension.create(certificate.publicKey),
    notAfterMs,
  }
}

/** A new root for ten years, under which one level of intermediates may stand. */
export async function makeRoot(nowMs: number): Promise<KeyedPem> {
  const keys = await makeKeys()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // The key's hash in the name tells the roots of several Groves apart in a browser's list.
    name: `CN=Grove Local CA ${await shortHashOf(keys.publicKey)}`,
    serialNumber: randomSerial(),
    notBefore: toSecond(nowMs - backdateMs),
    notAfter: toSecond(nowMs + rootLifeMs),
    signingAlgorithm: signing,
    keys,
    extensions: [
      // One level of CAs may stand under this one (RFC 5280 section 4.2.1.9).
      new BasicConstraintsExtension(true, 1, true),
      ...(await authorityExtensions(keys.publicKey)),
    ],
  })
  return { certificate: toPem(certificate), key: await exportKey(keys.privateKey) }
}

/** A new intermediate under a root, for {@link intermediateLifeMs} or until the root ends. */
export async function makeIntermediate(root: Signer, constraints: Constraints, nowMs: number): Promise<KeyedPem> {
  const keys = await makeKeys()
  const certificate = await X509CertificateGenerator.create({
    subject: `CN=Grove Local Intermediate ${await shortHashOf(keys.publicKey)}`,
    issuer: root.certificate.subjectName,
    serialNumber: randomSerial(),
    notBefore: toSecond(nowMs - backdateMs),
    notAfter: toSecond(Math.min(nowMs + intermediateLifeMs, root.notAfterMs)),
    signingAlgorithm: signing,
    signingKey: root.key,
    publicKey: keys.publicKey,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      ...(await authorityExtensions(keys.publicKey)),
      // Verifiers take it for a limit of all below: no mail and no code can be signed (CA/Browser Forum BR 7.1.2.10.6).
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      // Critical, so that a verifier that does not know it refuses the chain (RFC 5280 section 4.2.1.10).
      new Extension(nameConstraintsOid, true, new Uint8Array(encodeConstraints(constraints))),
      root.keyIdentifier,
    ],
  })
  return { certificate: toPem(certificate), key: await exportKey(keys.privateKey) }
}

/** A key pair for a leaf: its private half as PKCS#8 in PEM, and its public half as SPKI in DER. */
export async function makeLeafKeys(): Promise<{ readonly key: string; readonly spki: Uint8Array<ArrayBuffer> }> {
  const keys = await makeKeys()
  return {
    key: await exportKey(keys.privateKey),
    spki: new Uint8Array(await crypto.subtle.exportKey('spki', keys.publicKey)),
  }
}

/**
 * A leaf for a public key (SPKI in DER) and names, valid for {@link leafLifeMs} or until its signer ends. Looks at
 * nothing: whether the names may be signed, and the key is one to trust, is asked before.
 */
export async function makeLeaf(
  signer: Signer,
  names: readonly string[],
  spki: Uint8Array<ArrayBuffer>,
  nowMs: number,
): Promise<SignedLeaf> {
  const serial = randomSerial()
  const notBefore = toSecond(nowMs - backdateMs)
  const notAfter = toSecond(Math.min(nowMs + leafLifeMs, signer.notAfterMs))
  const certificate = await X509CertificateGenerator.create({
    issuer: signer.certificate.subjectName,
    serialNumber: serial,
    notBefore,
    notAfter,
    signingAlgorithm: signing,
    signingKey: signer.key,
    publicKey: spki,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      // Critical because the subject is empty (RFC 5280 section 4.1.2.6): a common name holds 64 characters, names have 253.
      new SubjectAlternativeNameExtension(names.map(toGeneralName), true),
      await SubjectKeyIdentifierExtension.create(spki),
      signer.keyIdentifier,
    ],
  })
  return { certificate: toPem(certificate), serial, notBeforeMs: notBefore.getTime(), notAfterMs: notAfter.getTime() }
}

/** When a certificate is to be renewed: two thirds into its life, so that a third is left for a control that is away. */
export function renewalOf(notBeforeMs: number, notAfterMs: number): number {
  return Math.floor(notBeforeMs + ((notAfterMs - notBeforeMs) * 2) / 3)
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
}

async function authorityExtensions(publicKey: CryptoKey): Promise<Extension[]> {
  return [
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(publicKey),
  ]
}

function toGeneralName(name: string): { type: 'dns' | 'ip'; value: string } {
  return { type: toAddress(name) === undefined ? 'dns' : 'ip', value: name }
}

async function shortHashOf(publicKey: CryptoKey): Promise<string> {
  const spki = Buffer.from(await crypto.subtle.exportKey('spki', publicKey))
  return createHash('sha256').update(spki).digest('hex').slice(0, 8)
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
