/**
 * A certificate with its key, parsed and checked once; whatever it came from (a CA, a file, the vault), what is wrong
 * with it is said here, before a visitor meets it.
 *
 * What is checked needs nothing from outside: that the parts belong together, are valid now and are strong enough. Not
 * whether clients trust the root, and not whether it was revoked.
 */

import { createPrivateKey, type KeyObject, sign, verify, X509Certificate } from 'node:crypto'
import type { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { isSelfSigned, subjectOf, timeFault, toChain } from './certificate-chain.ts'
import { certificateFault } from './certificate-fault.ts'
import { coversName, namesOf } from './certificate-names.ts'
import { fingerprintOf, pemBlocks } from './pem.ts'

/** A certificate with its key. Holds a secret: never log it. */
export interface Certificate {
  /** SHA-256 of its DER, 64 lower-case hex digits. */
  readonly id: string
  /** DNS names and addresses, lower case, maybe `*.example.com`; addresses without brackets. At least one. */
  readonly names: readonly string[]
  /** PEM: this certificate first, then those between it and the root, each the issuer of the one before. */
  readonly chain: string
  /** PKCS#8 in PEM. */
  readonly key: string
  readonly keyKind: 'ecdsa' | 'rsa' | 'ed25519'
  /** In milliseconds since the epoch. */
  readonly notBeforeMs: number
  /** The end of whatever in the chain ends first, in milliseconds since the epoch. */
  readonly notAfterMs: number
  /** Hex digits, upper case. */
  readonly serial: string
  /** For people: `R10, Let's Encrypt`. */
  readonly issuer: string
}

/** Curves that TLS clients know, keyed by the names of OpenSSL. */
const curves = new Set(['prime256v1', 'secp384r1', 'secp521r1'])

/** OIDs of extended key usage: any, and servers (RFC 5280 section 4.2.1.12). */
const serverUsages = ['2.5.29.37.0', '1.3.6.1.5.5.7.3.1']

/**
 * A certificate from PEM texts, which may hold other blocks besides; both may be the same text. Certificates may stand
 * in any order. Throws `ERR_CERT` with a `CertificateReason` in its details.
 */
export function toCertificate(chainPem: string, keyPem: string, nowMs: number): Certificate {
  const key = readKey(keyPem)
  const chain = toChain(readCertificates(chainPem), key, nowMs)
  const [leaf] = chain as [X509Certificate]
  const fault = timeFault(leaf, nowMs)
  if (fault) throw fault
  for (const certificate of chain) refuseWeak(certificate)
  refuseOtherUsage(leaf)
  refuseBrokenKey(leaf, key)
  return {
    id: fingerprintOf(leaf),
    names: namesOf(leaf),
    chain: chain.map((certificate) => certificate.toString()).join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    keyKind: kindOf(key),
    notBeforeMs: leaf.validFromDate.getTime(),
    notAfterMs: Math.min(...chain.map(({ validToDate }) => validToDate.getTime())),
    serial: leaf.serialNumber,
    issuer: issuerOf(leaf),
  }
}

/** Whether a certificate is for a name or an address; see {@link coversName}. Tells nothing of its time. */
export function covers(certificate: Pick<Certificate, 'names'>, name: string): boolean {
  return coversName(certificate.names, name)
}

function readCertificates(pem: string): X509Certificate[] {
  checkSize('the chain', pem, limits.cert.chainBytes)
  const blocks = pemBlocks(pem).filter(({ label }) => label === 'CERTIFICATE')
  if (blocks.length === 0)
    throw certificateFault('parse', 'there is no certificate in PEM', {
      hint: 'expected a block that begins with -----BEGIN CERTIFICATE-----',
    })
  if (blocks.length > limits.cert.chain)
    throw certificateFault('size', `there are ${blocks.length} certificates, ${limits.cert.chain} are the most`)
  return blocks.map(({ text }, index) => {
    try {
      const certificate = new X509Certificate(text)
      // Asked for once here, so that a key that this Node cannot read is told by its place.
      if (certificate.publicKey.type === 'public') return certificate
    } catch (cause) {
      throw certificateFault('parse', `certificate ${index + 1} of ${blocks.length} cannot be parsed`, { cause })
    }
    throw certificateFault('parse', `certificate ${index + 1} of ${blocks.length} has no public key`)
  })
}

function readKey(pem: string): KeyObject {
  checkSize('the key', pem, limits.cert.keyBytes + limits.cert.chainBytes)
  const blocks = new Map(
    pemBlocks(pem).flatMap((block) => (block.label.endsWith('PRIVATE KEY') ? [[block.text, block]] : [])),
  )
  const [block] = [...blocks.values()]
  if (!block) throw certificateFault('parse', 'there is no private key in PEM')
  if (blocks.size > 1) throw certificateFault('key', `there are ${blocks.size} private keys, expected one`)
  checkSize('the key', block.text, limits.cert.keyBytes)
  if (block.label.startsWith('ENCRYPTED') || /^Proc-Type:.*ENCRYPTED/m.test(block.text))
    throw certificateFault('password', 'the key is locked with a password')
  let key: KeyObject
  try {
    key = createPrivateKey(block.text)
  } catch (cause) {
    throw certificateFault('parse', `the key (${block.label}) cannot be parsed`, { cause })
  }
  const fault = keyFault(key, 'the key')
  if (fault) throw fault
  return key
}

function checkSize(what: string, text: string, mostBytes: number): void {
  if (text.length > mostBytes) throw certificateFault('size', `${what} has more than ${mostBytes} bytes`)
}

/** Why clients would not take a key; undefined when they do. */
function keyFault(key: KeyObject, what: string): GroveError | undefined {
  const { modulusLength = 0, publicExponent = 0n, namedCurve = 'one of its own' } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'ed25519') return undefined
  if (key.asymmetricKeyType === 'ec') {
    if (curves.has(namedCurve)) return undefined
    return certificateFault('weak', `${what} is on a curve that clients do not take: ${namedCurve}`)
  }
  if (key.asymmetricKeyType !== 'rsa')
    return certificateFault('key', `${what} is of a kind that is not used here: ${key.asymmetricKeyType ?? 'unknown'}`)
  if (modulusLength < limits.cert.rsaLeastBits)
    return certificateFault(
      'weak',
      `${what} is RSA of ${modulusLength} bits, ${limits.cert.rsaLeastBits} are the least`,
    )
  // The cost of a handshake grows with the third power of it.
  if (modulusLength > limits.cert.rsaMostBits)
    return certificateFault('size', `${what} is RSA of ${modulusLength} bits, ${limits.cert.rsaMostBits} are the most`)
  // Clients take no longer ones either: with it grows what it costs to verify.
  if (publicExponent >= 1n << BigInt(limits.cert.rsaExponentBits))
    return certificateFault(
      'size',
      `${what} is RSA with an exponent of more than ${limits.cert.rsaExponentBits} bits, the most that clients take`,
    )
  if (publicExponent < 3n || publicExponent % 2n === 0n)
    return certificateFault('weak', `${what} is RSA with the exponent ${publicExponent}, which is none`)
  return undefined
}

function refuseWeak(certificate: X509Certificate): void {
  const fault = keyFault(certificate.publicKey, `the key of ${subjectOf(certificate)}`)
  if (fault) throw fault
  const { signatureAlgorithm = '' } = certificate
  if (/sha-?1(?![0-9])|md[245]/i.test(signatureAlgorithm))
    throw certificateFault(
      'weak',
      `${subjectOf(certificate)} is signed with ${signatureAlgorithm}, which clients refuse`,
    )
}

function refuseOtherUsage(leaf: X509Certificate): void {
  // Node calls the list of extended key usages so; without one it is for everything.
  const usages = leaf.keyUsage as readonly string[] | undefined
  if (usages && !usages.some((usage) => serverUsages.includes(usage)))
    throw certificateFault('usage', `${subjectOf(leaf)} is not for servers`)
  // Self-signed ones are often made so by openssl, and serve well.
  if (leaf.ca && !isSelfSigned(leaf)) throw certificateFault('usage', `${subjectOf(leaf)} is that of a CA`)
}

/** A key can have the right public half and a damaged private one: then every handshake would fail. */
function refuseBrokenKey(leaf: X509Certificate, key: KeyObject): void {
  const text = Buffer.from('grove')
  const hash = key.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  try {
    if (verify(hash, text, leaf.publicKey, sign(hash, text, key))) return
  } catch {
    // OpenSSL notices some of them by itself.
  }
  throw certificateFault('key', 'the key is damaged: what it signs is not valid')
}

function kindOf({ asymmetricKeyType }: KeyObject): Certificate['keyKind'] {
  if (asymmetricKeyType === 'ec') return 'ecdsa'
  return asymmetricKeyType === 'rsa' ? 'rsa' : 'ed25519'
}

function issuerOf({ issuer }: X509Certificate): string {
  const part = (name: string) => new RegExp(`^${name}=(.+)$`, 'm').exec(issuer ?? '')?.[1]
  const parts = [part('CN'), part('O')].filter((text) => text !== undefined)
  return parts.join(', ').slice(0, 200) || 'unknown'
}
