/** The proof by a handshake: tls-alpn-01 (RFC 8737). */

import 'reflect-metadata' // Asked for by a dependency of @peculiar/x509, which refuses to load without it.
import { createHash } from 'node:crypto'
import { connect } from 'node:tls'
import { SubjectAlternativeNameExtension, X509Certificate } from '@peculiar/x509'
import { acmeTlsProtocol } from '../../core/challenge-set.ts'
import { toAddress } from '../addresses.ts'
import { der, derTags } from '../der.ts'
import { reverseName } from './identifiers.ts'
import { problem } from './problem.ts'
import { addressesOf, firstOf, type ResolveOptions } from './resolve.ts'
import type { Proof } from './validations.ts'

/** OID of the extension that holds the proof (RFC 8737 section 6.1). */
const identifierOid = '1.3.6.1.5.5.7.1.31'

/** How TLS servers are asked. */
export interface TlsProofOptions extends ResolveOptions {
  /** @default 443 */
  readonly tlsPort?: number | undefined
}

/** Looks at the certificate of the handshake. Rejects with the problem that the proof has. */
export async function proveByTls(proof: Proof, options: TlsProofOptions, signal: AbortSignal): Promise<void> {
  const addresses = await addressesOf(proof.value, options, signal)
  const shown = await firstOf(addresses, signal, (address) =>
    shakeHands(address, proof, options.tlsPort ?? 443, signal),
  )
  check(shown, proof)
}

/** The certificate (DER) that a server shows for the name and the protocol of the challenge. */
function shakeHands(host: string, { type, value }: Proof, port: number, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      // RFC 8738 section 6: SNI has no addresses, so the name that stands for it in the DNS goes there.
      servername: type === 'ip' ? reverseName(value) : value,
      ALPNProtocols: [acmeTlsProtocol],
      minVersion: 'TLSv1.2',
      rejectUnauthorized: false,
    })
    const abort = () => socket.destroy(problem('connection', 'the handshake took too long'))
    signal.addEventListener('abort', abort, { once: true })
    socket.once('close', () => {
      signal.removeEventListener('abort', abort)
      reject(noHandshake('it ended the connection'))
    })
    socket.once('error', reject)
    socket.once('secureConnect', () => {
      const { alpnProtocol } = socket
      const raw = socket.getPeerX509Certificate()?.raw
      socket.destroy()
      if (alpnProtocol !== acmeTlsProtocol) reject(noHandshake('it speaks other protocols'))
      else if (!raw) reject(noHandshake('it has shown no certificate'))
      else resolve(raw)
    })
  })
}

/** One sentence for the client, whatever it is that listens there. */
function noHandshake(why: string): Error {
  return problem('tls', `the server does not shake hands for ${acmeTlsProtocol}`, { cause: new Error(why) })
}

/** RFC 8737 section 3: self-signed, for this one name, with the hash of the key authorization in a critical extension. */
function check(raw: Buffer, { type, value, keyAuthorization }: Proof): void {
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(new Uint8Array(raw))
  } catch (cause) {
    throw problem('incorrectResponse', 'the certificate of the handshake cannot be parsed', { cause })
  }
  if (certificate.subject !== certificate.issuer)
    throw problem('incorrectResponse', 'the certificate of the handshake is not self-signed')
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items ?? []
  const [name] = names
  const shown = name?.type === 'ip' ? toAddress(name.value) : name?.value.toLowerCase()
  if (names.length !== 1 || name?.type !== type || shown !== value)
    throw problem('incorrectResponse', `the certificate of the handshake is not for ${value} alone`)
  const extension = certificate.getExtension(identifierOid)
  const expected = der(derTags.octetString, createHash('sha256').update(keyAuthorization).digest())
  if (!extension?.critical || !expected.equals(Buffer.from(extension.value)))
    throw problem('incorrectResponse', 'the certificate of the handshake has another proof than the key authorization')
}
