/**
 * Proof that an author owns a domain: a TXT record that only somebody who can change the domain's DNS can make. The token
 * in it is made from a secret, the site and the domain, so nothing has to be stored, and one site's token proves nothing
 * for another.
 *
 * It defends against authors who claim a name that is not theirs. It cannot defend against whoever controls the DNS, or
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

/** The record that proves that a site may have a domain. Throws `ERR_CERT_NAME` for a name that nobody can prove. */
export function ownershipRecord(secret: Uint8Array, site: SiteName, domain: string): OwnershipRecord {
  const name = `${label}.${domain}`
  if (!isPublicName(domain) || domain.startsWith('*.') || name.length > 253)
    throw new GroveError('ERR_CERT_NAME', `"${domain.slice(0, 253)}" is not a domain that can be proven`)
  // The parts cannot contain a newline, so no two of them make the same text.
  const token = createHmac('sha256', secret).update(`grove ownership 1\n${site}\n${domain}`).digest('base64url')
  return { name, value: `grove-site=${token}` }
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
