/**
 * What is in a PKCS#12 container (RFC 7292): keys and certificates, as PEM.
 *
 * By `node-forge`, because Node's own TLS opens such a container but does not give out what is in it, and refuses the old
 * ciphers (RC2, 3DES) that Windows still writes. Certificates and keys are passed on byte by byte, whatever their kind:
 * node-forge itself knows only RSA. For use in a thread of its own: everything here blocks, and a hostile container can
 * make it slow.
 */

import { pbkdf2Sync } from 'node:crypto'
import forge from 'node-forge'
import { GroveError } from '../../core/errors.ts'
import { certificateFault } from '../certificate-fault.ts'
import { checkRounds } from './rounds.ts'

const ownGenerateKey = forge.pkcs12.generateKey

/** Keys and certificates of a container, PEM, in its order. */
export interface Pkcs12Content {
  readonly keys: string
  readonly certificates: string
}

/** Opens a container. Without a password, the empty one and none at all are tried. Throws `ERR_CERT`: `parse`, `password`, `size`. */
export function openPkcs12(bytes: Uint8Array, password: string | undefined): Pkcs12Content {
  useNodeToDeriveKeys()
  const container = parse(bytes)
  if (password !== undefined) return read(container, password)
  try {
    return read(container, '')
  } catch (error) {
    // An empty password is two bytes, none is none: RFC 7292 appendix B.1.
    if (!(error instanceof GroveError) || error.details?.['reason'] !== 'password') throw error
    return read(container, undefined)
  }
}

function parse(bytes: Uint8Array): forge.asn1.Asn1 {
  // node-forge reads what is cut off as far as it goes, and then takes the password for wrong.
  if (isCut(bytes)) throw certificateFault('parse', 'it is no PKCS#12 container, or it is cut off')
  try {
    return forge.asn1.fromDer(forge.util.createBuffer(Buffer.from(bytes).toString('binary')), false)
  } catch (cause) {
    throw certificateFault('parse', 'it is no PKCS#12 container, or it is cut off', { cause })
  }
}

/** Whether it is not one whole SEQUENCE. One of indefinite length tells its end only inside. */
function isCut(bytes: Uint8Array): boolean {
  const [tag, first = 0] = bytes
  if (tag !== 0x30) return true
  if (first === 0x80) return false
  const count = first > 0x80 ? first - 0x80 : 0
  const length = count === 0 ? first : bytes.subarray(2, 2 + count).reduce((all, byte) => all * 256 + byte, 0)
  return bytes.length < 2 + count + length
}

function read(container: forge.asn1.Asn1, password: string | undefined): Pkcs12Content {
  const content = decode(container, password)
  const bags = content.safeContents.flatMap(({ safeBags }) => safeBags)
  const { keyBag, pkcs8ShroudedKeyBag, certBag } = forge.pki.oids
  const keys = bags.filter(({ type }) => type === keyBag || type === pkcs8ShroudedKeyBag)
  const certificates = bags.filter(({ type }) => type === certBag)
  if (keys.length === 0) throw certificateFault('key', 'there is no private key in it')
  if (certificates.length === 0) throw certificateFault('parse', 'there is no certificate in it')
  return {
    keys: keys.map((bag) => toPem('PRIVATE KEY', keyOf(bag))).join(''),
    certificates: certificates.map((bag) => toPem('CERTIFICATE', certificateOf(bag))).join(''),
  }
}

function decode(container: forge.asn1.Asn1, password: string | undefined): forge.pkcs12.Pkcs12Pfx {
  try {
    return forge.pkcs12.pkcs12FromAsn1(container, false, password)
  } catch (cause) {
    if (cause instanceof GroveError) throw cause
    const said = cause instanceof Error ? cause.message : ''
    // Without a MAC a wrong password shows only in what comes out.
    if (/MAC could not be verified|decrypt|wrong password|Too few bytes|Unparsed|Invalid.*length/i.test(said))
      throw certificateFault(
        'password',
        password === undefined ? 'it needs a password' : 'the password is another one',
        { cause },
      )
    throw certificateFault('parse', 'its content cannot be read', {
      cause,
      ...(/unsupported|Only PKCS/i.test(said) && { hint: said }),
    })
  }
}

function keyOf({ key, asn1 }: forge.pkcs12.Bag): forge.asn1.Asn1 {
  if (key) return forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(key))
  return asn1
}

function certificateOf({ cert, asn1 }: forge.pkcs12.Bag): forge.asn1.Asn1 {
  return cert ? forge.pki.certificateToAsn1(cert) : asn1
}

function toPem(label: string, value: forge.asn1.Asn1): string {
  const text = Buffer.from(forge.asn1.toDer(value).getBytes(), 'binary').toString('base64')
  return `-----BEGIN ${label}-----\n${(text.match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${label}-----\n`
}

/**
 * node-forge derives keys in JavaScript, a hundred times slower than Node does, and from the low bytes of a password
 * where all others take UTF-8. Its functions are replaced in this thread, and count their rounds.
 */
function useNodeToDeriveKeys(): void {
  Object.assign(forge.pkcs5, {
    pbkdf2: (
      password: string,
      salt: string,
      rounds: number,
      bytes: number,
      digest: { algorithm: string } | undefined,
    ) => {
      checkRounds(rounds)
      const key = pbkdf2Sync(password ?? '', Buffer.from(salt, 'binary'), rounds, bytes, digest?.algorithm ?? 'sha1')
      return key.toString('binary')
    },
  })
  Object.assign(forge.pkcs12, {
    generateKey: (...args: Parameters<typeof ownGenerateKey>) => {
      checkRounds(args[3])
      return ownGenerateKey(...args)
    },
  })
}
