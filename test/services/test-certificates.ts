/** Certificates that tests need and that no CA would sign: wrong names, other keys, other times. */

import 'reflect-metadata' // Asked for by a dependency of @peculiar/x509, which refuses to load without it.
import { createPublicKey, randomBytes } from 'node:crypto'
import {
  AuthorityInfoAccessExtension,
  BasicConstraintsExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
const signingAlgorithm = { name: 'ECDSA', hash: 'SHA-256' }
const dayMs = 86_400_000

/** A certificate and its key, PEM. */
export interface Pair {
  readonly cert: string
  readonly key: string
}

/** A certificate for 127.0.0.1, and for names if any are given, that is its own root. */
export async function makeServerCertificate(names: readonly string[] = []): Promise<Pair> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // OpenSSL looks for roots by their names.
    name: `CN=a test server ${randomBytes(4).toString('hex')}`,
    serialNumber: randomBytes(8).toString('hex').replace(/^./, '4'),
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + dayMs),
    signingAlgorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new SubjectAlternativeNameExtension([
        { type: 'ip', value: '127.0.0.1' },
        { type: 'dns', value: 'localhost' },
        ...names.map((value) => ({ type: 'dns' as const, value })),
      ]),
    ],
  })
  const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  return { cert: `${certificate.toString('pem')}\n`, key }
}

/** What a rogue certificate is to be like. */
export interface Rogue {
  readonly names: readonly string[]
  readonly notBefore?: Date
  readonly notAfter?: Date
  /** Tells where its issuer's certificate can be had, as those of public CAs do. */
  readonly tellsIssuer?: boolean
}

/** A CA of a test. */
export interface TestCa {
  readonly cert: string
  /** A certificate for a public key, SPKI in PEM. */
  issue(publicKeyPem: string, rogue: Rogue): Promise<string>
}

/** Makes a CA whose own certificate is not a root: one more above it has signed it. */
export async function makeTestCa(): Promise<TestCa> {
  const root = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.create({
    subject: 'CN=a test CA',
    issuer: 'CN=a test root',
    serialNumber: '41',
    notBefore: new Date(Date.now() - 30 * dayMs),
    notAfter: new Date(Date.now() + 30 * dayMs),
    signingAlgorithm,
    signingKey: root.privateKey,
    publicKey: keys.publicKey,
    extensions: [new BasicConstraintsExtension(true, 0, true), new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true)],
  })
  return {
    cert: `${certificate.toString('pem')}\n`,
    async issue(publicKeyPem, { names, notBefore, notAfter, tellsIssuer }) {
      const spki = createPublicKey(publicKeyPem).export({ type: 'spki', format: 'der' })
      const leaf = await X509CertificateGenerator.create({
        subject: `CN=${names[0]}`,
        issuer: certificate.subject,
        serialNumber: randomBytes(8).toString('hex').replace(/^./, '4'),
        notBefore: notBefore ?? new Date(Date.now() - dayMs),
        notAfter: notAfter ?? new Date(Date.now() + dayMs),
        signingAlgorithm,
        signingKey: keys.privateKey,
        publicKey: await crypto.subtle.importKey('spki', spki, algorithm, true, ['verify']),
        extensions: [
          new SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns', value }))),
          ...(tellsIssuer ? [new AuthorityInfoAccessExtension({ caIssuers: 'http://127.0.0.1/ca.der' })] : []),
        ],
      })
      return `${leaf.toString('pem')}\n`
    },
  }
}

/** The public key of a certificate request, DER in base64url as ACME sends it; SPKI in PEM. */
export function publicKeyOfRequest(csr: string): string {
  return new Pkcs10CertificateRequest(Buffer.from(csr, 'base64url')).publicKey.toString('pem')
}

/** The public key of a certificate, SPKI in PEM. */
export function publicKeyOf(pem: string): string {
  return new X509Certificate(pem).publicKey.toString('pem')
}
