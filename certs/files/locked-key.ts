/** Private keys in PEM that are locked with a password: PKCS#8 (RFC 5958 section 3) and what OpenSSL wrote before it. */

import { createPrivateKey } from 'node:crypto'
import forge from 'node-forge'
import { GroveError } from '../../core/errors.ts'
import { certificateFault } from '../certificate-fault.ts'
import { checkRounds } from './rounds.ts'

/** scrypt's cost N · r · p from which on it would take minutes. */
const mostScryptCost = 2 ** 24

/** Opens a locked key: PKCS#8 in PEM. Blocks; for use in a thread. Throws `ERR_CERT`: `password`, `size`. */
export function openLockedKey(pem: string, password: string): string {
  if (pem.includes('BEGIN ENCRYPTED PRIVATE KEY')) checkCost(pem)
  try {
    return createPrivateKey({ key: pem, passphrase: password }).export({ type: 'pkcs8', format: 'pem' }).toString()
  } catch (cause) {
    throw certificateFault('password', 'the key does not open with this password', {
      cause,
      hint: 'if the password is right, the key is damaged or locked by a cipher that OpenSSL has given up',
    })
  }
}

/** Looks at how the key is derived before OpenSSL does it, which nothing can interrupt. */
function checkCost(pem: string): void {
  const base64 = pem.replace(/-----[^-]+-----/g, '')
  try {
    const info = forge.asn1.fromDer(forge.util.createBuffer(Buffer.from(base64, 'base64').toString('binary')), false)
    const [oid, parameters] = partsOf(partsOf(info)[0])
    const [kdf] = oidOf(oid) === '1.2.840.113549.1.5.13' ? partsOf(parameters) : []
    const [kdfOid, kdfParameters] = partsOf(kdf)
    const [, ...numbers] = partsOf(kdfParameters)
    if (oidOf(kdfOid) === '1.2.840.113549.1.5.12') checkRounds(integerOf(numbers[0]))
    if (oidOf(kdfOid) === '1.3.6.1.4.1.11591.4.11') {
      const [cost = 0, blocks = 0, lanes = 0] = numbers.slice(0, 3).map(integerOf)
      if (!(cost * blocks * lanes <= mostScryptCost))
        throw certificateFault('size', 'it asks for too much work to derive a key')
    }
  } catch (error) {
    if (error instanceof GroveError) throw error
    throw certificateFault('parse', 'the key cannot be parsed', { cause: error })
  }
}

function partsOf(node: forge.asn1.Asn1 | undefined): forge.asn1.Asn1[] {
  return Array.isArray(node?.value) ? node.value : []
}

function oidOf(node: forge.asn1.Asn1 | undefined): string {
  return typeof node?.value === 'string' && node.type === forge.asn1.Type.OID ? forge.asn1.derToOid(node.value) : ''
}

function integerOf(node: forge.asn1.Asn1 | undefined): number {
  return typeof node?.value === 'string'
    ? Number.parseInt(Buffer.from(node.value, 'binary').toString('hex'), 16)
    : Number.NaN
}
