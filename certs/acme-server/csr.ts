/** What a client wants to have signed: a certificate signing request (RFC 2986), as RFC 8555 section 7.4 looks at it. */

import 'reflect-metadata' // Asked for by a dependency of @peculiar/x509, which refuses to load without it.
import { createPublicKey, type KeyObject } from 'node:crypto'
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509'
import { toAddress } from '../addresses.ts'
import { fromBase64url } from './base64url.ts'
import { checkStrength } from './jwk.ts'
import { problem } from './problem.ts'

/** Hashes that nobody can find a second content for. */
const hashes = ['SHA-256', 'SHA-384', 'SHA-512']

/** What is taken from a request: the key and nothing else, since the names are the order's. */
export interface CheckedRequest {
  /** SPKI in DER. */
  readonly spki: Uint8Array<ArrayBuffer>
}

/**
 * Checks a request against an order's names: its signature is by its key, the key is strong and not the account's, and
 * its names are exactly these. What else it asks for (usages, must-staple, to be a CA) is not given. Throws the problems
 * `badCSR` and `badPublicKey`.
 */
export async function checkCsr(
  text: unknown,
  names: readonly string[],
  accountKey: KeyObject,
): Promise<CheckedRequest> {
  const der = fromBase64url(text)
  if (!der || der.length === 0) throw problem('badCSR', 'csr is a PKCS #10 request in DER, base64url without padding')
  const { request, spki, key, asked } = read(der)
  checkStrength(key)
  // Section 11.1: the key of a server must not be able to order for it.
  if (key.equals(accountKey)) throw problem('badCSR', 'the key of the certificate must not be that of the account')
  await checkSignature(request)
  const wrong = asked.filter((name) => !names.includes(name))
  const missing = names.filter((name) => !asked.includes(name))
  if (wrong.length > 0 || missing.length > 0)
    throw problem('badCSR', `the names of the request are not those of the order: ${describe(wrong, missing)}`)
  return { spki }
}

interface ReadRequest extends CheckedRequest {
  readonly request: Pkcs10CertificateRequest
  readonly key: KeyObject
  readonly asked: readonly string[]
}

function read(der: Buffer): ReadRequest {
  try {
    const request = new Pkcs10CertificateRequest(new Uint8Array(der))
    const spki = new Uint8Array(request.publicKey.rawData)
    const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    return { request, spki, key, asked: namesOf(request) }
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_ACME') throw cause
    throw problem('badCSR', 'the request cannot be parsed', { cause })
  }
}

async function checkSignature(request: Pkcs10CertificateRequest): Promise<void> {
  const { name, hash } = request.signatureAlgorithm as { name: string; hash?: { name: string } }
  if (name !== 'Ed25519' && !hashes.includes(hash?.name ?? ''))
    throw problem(
      'badCSR',
      `the request is signed with ${name} and ${hash?.name ?? 'no hash'}: expected SHA-256 or stronger`,
    )
  const isRight = await request.verify().catch(() => false)
  if (!isRight) throw problem('badCSR', 'the signature of the request is not by its own key')
}

/** Names of the extension and the common name, which is one of them in older clients. Each once. */
function namesOf(request: Pkcs10CertificateRequest): string[] {
  const names = new Set<string>()
  const alternative = request.extensions.filter((extension) => extension instanceof SubjectAlternativeNameExtension)
  for (const { type, value } of alternative.flatMap(({ names: { items } }) => items)) {
    const name = type === 'dns' ? value.toLowerCase() : type === 'ip' ? toAddress(value) : undefined
    if (name === undefined) throw problem('badCSR', `the request asks for a name of another kind: ${type}`)
    names.add(name)
  }
  for (const name of request.subjectName.getField('CN')) names.add(toAddress(name) ?? name.toLowerCase())
  return [...names]
}

function describe(wrong: readonly string[], missing: readonly string[]): string {
  const shown = (names: readonly string[]) => names.slice(0, 5).map((name) => JSON.stringify(name.slice(0, 253)))
  return [
    ...(wrong.length > 0 ? [`${shown(wrong).join(', ')} too many`] : []),
    ...(missing.length > 0 ? [`${shown(missing).join(', ')} missing`] : []),
  ].join('; ')
}
