/** What an order is for: host names, wildcards (RFC 8555 section 7.1.3) and addresses (RFC 8738). */

import { isIP } from 'node:net'
import { z } from 'zod'
import { isAuthority } from '../../core/names.ts'
import { addressBytes, toAddress } from '../addresses.ts'
import { problem } from './problem.ts'

/** The schema of an {@link Identifier} as it comes in. */
export const identifierSchema = z.object({ type: z.string(), value: z.string() })

/** A name or an address that is to be in a certificate. */
export interface Identifier {
  readonly type: 'dns' | 'ip'
  /** Lower case; a name may begin with `*.`, an address has the one spelling that is compared. */
  readonly value: string
}

/** Kinds of proof of control. */
export const challengeKinds = ['http-01', 'tls-alpn-01', 'dns-01'] as const
/** One kind of proof of control. */
export type ChallengeKind = (typeof challengeKinds)[number]

/** What this CA says to a name, besides its form. */
export interface NameRules {
  /** Whether the own CA may sign for a name. */
  readonly permits: (name: string) => boolean
  /** Whether a name, or one that a wildcard covers, is served by this Grove itself: nobody else needs a certificate for it. */
  readonly isServed: (name: string) => boolean
}

/**
 * An identifier from outside. Throws the problems `unsupportedIdentifier`, `malformed` and `rejectedIdentifier`, each
 * with the identifier.
 */
export function toIdentifier(input: z.output<typeof identifierSchema>, { permits, isServed }: NameRules): Identifier {
  const shown = { members: { identifier: { type: input.type.slice(0, 32), value: input.value.slice(0, 300) } } }
  if (input.type !== 'dns' && input.type !== 'ip')
    throw problem('unsupportedIdentifier', 'an identifier is of type dns or ip', shown)
  const value = input.type === 'ip' ? toAddress(input.value) : toName(input.value)
  if (value === undefined || (input.type === 'ip' && isIP(input.value) === 0))
    throw problem('malformed', `that is not ${input.type === 'ip' ? 'an address' : 'a host name'}`, shown)
  if (!permits(value))
    throw problem(
      'rejectedIdentifier',
      'this CA signs for names of its own network only, and for its configured ones',
      shown,
    )
  if (isServed(value)) throw problem('rejectedIdentifier', 'this name is served by this server itself', shown)
  return { type: input.type, value }
}

/** The name that is asked for proof: without `*.`. */
export function baseOf({ value }: Identifier): string {
  return value.startsWith('*.') ? value.slice(2) : value
}

/**
 * How control of an identifier can be proven. A wildcard only by DNS (RFC 8555 section 7.1.3 and 8.4), an address never
 * by DNS (RFC 8738 section 7).
 */
export function kindsFor({ type, value }: Identifier): readonly ChallengeKind[] {
  if (type === 'ip') return ['http-01', 'tls-alpn-01']
  return value.startsWith('*.') ? ['dns-01'] : challengeKinds
}

/** The name of an address in the DNS, which stands for it in SNI (RFC 8738 section 6, RFC 1034, RFC 3596). */
export function reverseName(address: string): string {
  const bytes = [...addressBytes(address)].reverse()
  if (bytes.length === 4) return `${bytes.join('.')}.in-addr.arpa`
  return `${bytes.flatMap((byte) => [(byte & 15).toString(16), (byte >> 4).toString(16)]).join('.')}.ip6.arpa`
}

/** A host name or wildcard in lower case. Only ASCII is lower-cased, so that no other letter becomes one of ours. */
function toName(text: string): string | undefined {
  if (text.length > 253) return undefined
  const name = text.replace(/[A-Z]/g, (letter) => letter.toLowerCase())
  const base = name.startsWith('*.') ? name.slice(2) : name
  // What ends with a number is an address to clients (RFC 1123 section 2.1).
  if (!isAuthority(base) || base.startsWith('[') || /(?:^|\.)\d+$/.test(base)) return undefined
  // A wildcard for a whole top-level name would be one for everybody in the network.
  return base !== name && !base.includes('.') ? undefined : name
}
