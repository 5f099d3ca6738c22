/**
 * Which kind of issuer a name gets: the own CA for names that no public CA may sign, files of the operator where they
 * cover a name, and a public CA (ACME) for all others.
 */

import { isIP } from 'node:net'
import { getDomain } from 'tldts'
import { isAuthority } from '../core/names.ts'

/** `own`: Grove's own CA. `file`: a certificate that the operator brought. `acme`: a CA that speaks ACME. */
export type IssuerKind = 'own' | 'file' | 'acme'

/** What the choice depends on. */
export interface PolicyOptions {
  /** Whether a CA that speaks ACME is configured. */
  readonly acme: boolean
  /** Whether one of the operator's own certificates covers a name. */
  readonly inFiles: (name: string) => boolean
}

/**
 * Ends of names that never get a certificate of a public CA, because nobody owns them: loopback (RFC 6761 section 6.3),
 * multicast DNS (RFC 6762 section 3), home networks (RFC 8375) and private use (ICANN's `.internal`).
 */
const privateEnds = ['localhost', 'local', 'home.arpa', 'internal']

/** The kind of issuer for a name, which may be a wildcard or an address. */
export function issuerKindOf(name: string, { acme, inFiles }: PolicyOptions): IssuerKind {
  if (inFiles(name)) return 'file'
  return acme && isPublicName(name) ? 'acme' : 'own'
}

/**
 * Whether a public CA can sign a name: a host name of at least two labels that can be had by somebody, perhaps with `*.`
 * before it. False for addresses, and for what is no name at all.
 */
export function isPublicName(name: string): boolean {
  const bare = name.startsWith('*.') ? name.slice(2) : name
  if (!isAuthority(bare) || bare.startsWith('[') || isIP(bare) !== 0) return false
  // What looks like an address to some resolvers, such as 127.1, is no host name: a top-level domain has a letter.
  const lastLabel = bare.slice(bare.lastIndexOf('.') + 1)
  if (lastLabel === bare || !/[a-z]/.test(lastLabel)) return false
  return !privateEnds.some((end) => bare === end || bare.endsWith(`.${end}`))
}

/**
 * The registered domain of a name: what somebody bought or was given, such as `example.co.uk` for `a.b.example.co.uk`.
 * A public suffix itself, a single label and an address are their own. Only budgets depend on it, which are counted as
 * CAs count theirs (by the public suffix list with its private part); nothing is allowed or refused because of it, so a
 * list that is some months old does no harm.
 */
export function registeredDomain(name: string): string {
  const bare = name.startsWith('*.') ? name.slice(2) : name
  return getDomain(bare, { allowPrivateDomains: true, extractHostname: false }) ?? bare
}
