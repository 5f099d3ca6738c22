/**
 * The certificate that answers a tls-alpn-01 challenge (RFC 8737 section 3): self-signed, for exactly the name, with the
 * hash of the key authorization in a critical extension, so that nobody can take it for one that vouches for the name. It
 * goes only to clients that offer nothing but the protocol `acme-tls/1`.
 */

import 'reflect-metadata' // Asked for by a dependency of @peculiar/x509, which refuses to load without it.
import { createHash } from 'node:crypto'
import { Extension, PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509'
import type { Challenge } from './solver.ts'

const dayMs = 86_400_000
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }

/** A certificate and its key, PEM. */
export interface AlpnCertificate {
  readonly cert: string
  readonly key: string
}

/** Makes the answer to a challenge, valid for a day around now. */
export async function createAlpnCertificate(
  { name, keyAuthorization }: Pick<Challenge, 'name' | 'keyAuthorization'>,
  nowMs: number,
): Promise<AlpnCertificate> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const hash = createHash('sha256').update(keyAuthorization).digest()
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // A subject need not be the name, which may be longer than a common name can be.
    name: 'CN=ACME challenge',
    serialNumber: '01',
    notBefore: new Date(nowMs - dayMs),
    notAfter: new Date(nowMs + dayMs),
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    keys,
    extensions: [
      new SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
      // id-pe-acmeIdentifier holds an OCTET STRING (tag 4) of 32 bytes.
      new Extension('1.3.6.1.5.5.7.1.31', true, Buffer.concat([Buffer.from([4, hash.length]), hash])),
    ],
  })
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey)
  return { cert: `${certificate.toString('pem')}\n`, key: `${PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n` }
}
