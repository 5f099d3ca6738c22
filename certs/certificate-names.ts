/** The names of a certificate, and whether one of them covers what a client asks for (RFC 9525, before it RFC 6125). */

import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { limits } from '../core/limits.ts'
import { isAuthority } from '../core/names.ts'
import { toAddress } from './addresses.ts'
import { certificateFault } from './certificate-fault.ts'

/** A kind and a value of Node's text of alternative names; a value with odd characters stands there as a JSON string. */
const entryPattern = /([A-Za-z0-9 .]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y

/**
 * The DNS names and addresses of a certificate, lower case, each once, in its order. Names that no client can ask for
 * (with a NUL, a space, an underscore, other scripts, a wildcard inside a label) are left out, so that nothing is ever
 * taken for another name. The subject's common name counts for nothing (RFC 9525 section 2). Throws `ERR_CERT`
 * (`names`) when none is left, (`size`) when they are more than `limits.cert.names`.
 */
export function namesOf(certificate: X509Certificate): string[] {
  const names = new Set<string>()
  for (const { kind, value } of entriesOf(certificate.subjectAltName ?? '')) {
    const name = kind === 'DNS' ? toDnsName(value) : kind === 'IP Address' ? toAddress(value) : undefined
    if (name !== undefined) names.add(name)
    if (names.size > limits.cert.names)
      throw certificateFault('size', `the certificate has more than ${limits.cert.names} names`)
  }
  if (names.size > 0) return [...names]
  throw certificateFault('names', 'the certificate has no name that a client could ask for', {
    hint: 'names belong into its subjectAltName; the common name is not looked at by any browser',
  })
}

/**
 * Whether a certificate is for a name: one of its names, or below one of its wildcards, whose `*` stands for exactly one
 * label, the left-most (RFC 9525 section 6.3), above two or more others. Case does not matter; an address is written with
 * or without brackets. A wildcard is covered by the same wildcard.
 */
export function coversName(names: readonly string[], asked: string): boolean {
  const name = toDnsName(asked) ?? toAddress(asked)
  if (name === undefined) return false
  if (names.includes(name)) return true
  if (isIP(name) !== 0 || name.startsWith('*')) return false
  const [, ...above] = name.split('.')
  // `*.com` and `*.localhost`: OpenSSL and browsers refuse a wildcard right below the top.
  return above.length > 1 && names.includes(`*.${above.join('.')}`)
}

function* entriesOf(text: string): Generator<{ kind: string; value: string }> {
  entryPattern.lastIndex = 0
  while (entryPattern.lastIndex < text.length) {
    const found = entryPattern.exec(text)
    if (!found) return
    const [, kind = '', value = ''] = found
    yield { kind, value }
  }
}

/**
 * A DNS name in our spelling, also a wildcard; undefined for what is none. Only ASCII is lower-cased: Unicode has
 * letters whose lower case is ASCII, and they must not turn into another name.
 */
function toDnsName(text: string): string | undefined {
  if (text.length > 253) return undefined
  const name = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  const rest = name.startsWith('*.') ? name.slice(2) : name
  return isAuthority(rest) && !rest.startsWith('[') && !looksLikeAddress(rest) ? name : undefined
}

/** No top-level name is a number, and what ends with one is an address to browsers, whole or not. */
function looksLikeAddress(name: string): boolean {
  return /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(name)
}
