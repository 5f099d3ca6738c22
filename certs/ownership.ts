/**
 * Proof that an author owns a domain: a TXT record that only somebody who can change the domain's DNS can make. The token
 * in it is made from a secret and the claim, so one site's token proves nothing for another, and nothing for whoever has a
 * site of that name later: each claim has a salt of its own.
 *
 * It defends against authors who claim a name that is not theirs, also when the record of an earlier owner of the site is
 * still there. It cannot defend against whoever controls the DNS, or
 * the way of the answers from it: the resolver of this machine is trusted.
 */

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { Resolver } from 'node:dns/promises'
import { GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import type { Environment } from '../store/environment.ts'
import { isPublicName } from './policy.ts'
import type { Vault } from './vault.ts'
import { within } from './within.ts'

/** A TXT record that an author is to make. */
export interface OwnershipRecord {
  /** `_grove-challenge.<domain>`. */
  readonly name: string
  /** `grove-site=<token>`. */
  readonly value: string
}

/** Who claims a domain. None of the texts holds a newline. */
export interface OwnershipClaim {
  /** Id of the store that keeps the claim: several hosts may share a vault, and with it the secret. */
  readonly store: string
  readonly site: SiteName
  readonly domain: string
  /** Another one each time the domain is added. */
  readonly salt: string
}

/** What the DNS said. */
export interface OwnershipAnswer {
  readonly isProven: boolean
  /** Values that were found at the name and are not the right one, for a message; each shortened. */
  readonly found: readonly string[]
}

/** Looks up TXT records: each a list of strings that belong together. Rejects with an error of node:dns. */
export type ResolveTxt = (name: string, signal: AbortSignal) => Promise<string[][]>

const label = '_grove-challenge'
const vaultKey = 'ownership'

/**
 * The secret that tokens are made from, the same for all who share a vault; made the first time. Without it all records
 * that are not proven yet have to be made anew; what is proven stays.
 */
export async function openOwnershipSecret(vault: Pick<Vault, 'read' | 'write'>): Promise<Uint8Array> {
  const found = await vault.read(vaultKey)
  if (found) return Buffer.from(found.text, 'base64url')
  const secret = randomBytes(32)
  try {
    await vault.write(vaultKey, secret.toString('base64url'), 0)
    return secret
  } catch (error) {
    if (!isGroveError(error, 'ERR_CERT_RACED')) throw error
    const theirs = await vault.read(vaultKey)
    if (theirs) return Buffer.from(theirs.text, 'base64url')
    throw error
  }
}

/** Where the record of a domain is. Throws `ERR_CERT_NAME` for a name that nobody can prove. */
export function ownershipName(domain: string): string {
  const name = `${label}.${domain}`
  if (isPublicName(domain) && !domain.startsWith('*.') && name.length <= 253) return name
  throw new GroveError('ERR_CERT_NAME', `"${domain.slice(0, 253)}" is not a domain that can be proven`)
}

/** The record that proves a claim. Throws as {@link ownershipName}. */
export function ownershipRecord(secret: Uint8Array, { store, site, domain, salt }: OwnershipClaim): OwnershipRecord {
  const name = ownershipName(domain)
  // Without newlines in the parts, no two claims make the same text.
  const text = ['grove ownership 2', store, site, domain, salt].join('\n')
  return { name, value: `grove-site=${createHmac('sha256', secret).update(text).digest('base64url')}` }
}

/**
 * Whether the DNS has the record. A name without records proves nothing and is no error. Rejects with `ERR_DNS` when the
 * DNS does not answer, which says nothing about the domain.
 */
export async function checkOwnership(
  record: OwnershipRecord,
  options: {
    readonly environment: Pick<Environment, 'sleep'>
    readonly signal: AbortSignal
    /** @default the resolver of this machine */
    readonly resolveTxt?: ResolveTxt
  },
): Promise<OwnershipAnswer> {
  const { environment, signal, resolveTxt = systemResolver() } = options
  const what = `the question for ${record.name}`
  let records: string[][]
  try {
    records = await within({ environment, ms: limits.ownership.totalMs, what, signal }, (over) =>
      resolveTxt(record.name, over),
    )
  } catch (error) {
    signal.throwIfAborted()
    const { code } = error as { code?: unknown }
    if (code === 'ENOTFOUND' || code === 'ENODATA') return { isProven: false, found: [] }
    throw new GroveError('ERR_DNS', `the TXT records of ${record.name} cannot be looked up: ${String(code ?? error)}`, {
      cause: error,
    })
  }
  const texts = records
    .slice(0, limits.ownership.records)
    // One record is a list of strings of at most 255 bytes each (RFC 1035 section 3.3.14).
    .map((strings) => strings.join('').slice(0, limits.ownership.recordChars).trim())
  const isProven = texts.some((text) => isEqual(text, record.value))
  return { isProven, found: texts.filter((text) => !isEqual(text, record.value)).map((text) => text.slice(0, 80)) }
}

/** Asks the servers that this machine uses, or others. `servers`: addresses, perhaps with a port. */
export function systemResolver(servers?: readonly string[]): ResolveTxt {
  return async (name, signal) => {
    const resolver = new Resolver({ timeout: limits.ownership.queryMs, tries: limits.ownership.tries })
    if (servers) resolver.setServers(servers)
    const cancel = () => resolver.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      return await resolver.resolveTxt(name)
    } finally {
      signal.removeEventListener('abort', cancel)
    }
  }
}

function isEqual(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)]
  return left.length === right.length && timingSafeEqual(left, right)
}
