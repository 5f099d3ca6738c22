/**
 * Providers of DNS: where a record can be put to prove that a name is ours. A provider is plain data with two functions,
 * as a plugin is; making one has no side effects.
 */

import { GroveError } from './errors.ts'
import type { StandardSchemaV1 } from './standard-schema.ts'

/** A record of the DNS. */
export interface DnsRecord {
  /** Fully qualified, lower case, without the last dot: `_acme-challenge.example.com`. See {@link isDnsName}. */
  readonly name: string
  readonly type: 'TXT'
  /** 1 to 255 printable ASCII characters other than space, `"` and `\`. */
  readonly value: string
  /** How long others may keep it; a provider that has a minimum above it takes that. */
  readonly ttlSeconds: number
}

/** A provider of DNS. */
export interface DnsProvider {
  /** For people: `cloudflare`. */
  readonly name: string
  /** What {@link options} have to be; checked when the config is read, as those of plugins are. */
  readonly schema?: StandardSchemaV1
  /** The provider's own options, as the operator wrote them. Faults tell where and what kind, never a value. */
  readonly options?: unknown
  /**
   * Puts a record there, beside other values of the same name; fine when it is there. Resolves when the provider has
   * taken it, maybe before any server answers it. Throws `ERR_DNS` with a {@link DnsReason}; ends soon after the signal.
   */
  present(record: DnsRecord, signal: AbortSignal): Promise<void>
  /** Takes one value away and leaves the others; fine when it is gone. Throws as {@link DnsProvider.present} does. */
  remove(record: DnsRecord, signal: AbortSignal): Promise<void>
}

/** Why something is `ERR_DNS`, its `details.reason`. */
export type DnsReason =
  /** What was to be published is no name or value for the DNS. */
  | 'record'
  /** The provider does not take the credentials, or they do not reach so far. */
  | 'denied'
  /** The provider has no zone for the name. */
  | 'zone'
  /** The provider said no for another reason. */
  | 'refused'
  /** The provider wants to be left alone for a while. */
  | 'limited'
  /** It cannot be reached, or says that it is broken. */
  | 'unavailable'
  | 'timeout'
  /** It answers what nobody can make sense of. */
  | 'answer'
  /** Aliases of the name lead nowhere. */
  | 'alias'
  /** A resolver fails, or knows no name servers. */
  | 'resolver'
  /** The servers of the zone do not have the record. */
  | 'propagation'

/** An `ERR_DNS` with its reason. `message` names the culprit and holds no secret. */
export function dnsError(
  reason: DnsReason,
  message: string,
  options: { readonly hint?: string | undefined; readonly cause?: unknown } = {},
): GroveError {
  const { hint, cause } = options
  return new GroveError('ERR_DNS', message, { details: { reason }, ...(hint !== undefined && { hint }), cause })
}

const namePattern = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/**
 * Whether a text is a name of the DNS as far as records of ours go: lower-case labels of letters, digits, `-` and `_`, at
 * most 253 characters, no last dot. So a name can stand in a URL, in XML and in an argument as it is.
 */
export function isDnsName(text: string): boolean {
  return text.length <= 253 && namePattern.test(text)
}

/** Throws `ERR_DNS` (`record`) for a record that does not keep to what {@link DnsRecord} says. */
export function checkRecord({ name, value, ttlSeconds }: DnsRecord): void {
  if (!isDnsName(name)) throw dnsError('record', `"${name.slice(0, 253)}" is not a name that a record could have`)
  if (!/^[!#-[\]-~]{1,255}$/.test(value)) throw dnsError('record', `the value for ${name} cannot stand in a TXT record`)
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > 86_400)
    throw dnsError('record', `${ttlSeconds} seconds are no time to live for ${name}`)
}

/** A name and those above it, the longest first: `a.b.c`, `b.c`, `c`; at most `most`. */
export function withParents(name: string, most: number): string[] {
  const labels = name.split('.')
  return labels.slice(0, most).map((_, index) => labels.slice(index).join('.'))
}

/** Whether something in a config is a {@link DnsProvider}. */
export function isDnsProvider(value: unknown): value is DnsProvider {
  if (typeof value !== 'object' || value === null) return false
  const { name, present, remove } = value as Partial<Record<keyof DnsProvider, unknown>>
  return typeof name === 'string' && name !== '' && typeof present === 'function' && typeof remove === 'function'
}
