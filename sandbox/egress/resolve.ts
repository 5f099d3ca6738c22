/**
 * Names of hosts into addresses that may be connected to.
 *
 * All addresses of a name are looked at, and one that is not public spoils the name: a name that has both kinds is made
 * to be reached by whoever looks only once. The addresses that were looked at are the ones that are connected to; no
 * other part of the process asks for the name again, so an answer that changes in between (DNS rebinding) changes nothing.
 *
 * A name with no address and a name with an inner one fail alike, so that site code cannot find out what names the
 * operator's own resolver knows.
 */

import { Resolver } from 'node:dns/promises'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { setNewest } from '../../core/newest.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import type { AddressCheck } from './addresses.ts'
import { refused } from './refusal.ts'

/** An address to connect to, as `net.connect` takes it. */
export interface FoundAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** Finds addresses, each of which was checked. */
export interface NameResolver {
  /**
   * Addresses of a name, at least one. Rejects with `ERR_FETCH_REFUSED` when there is none or one is not allowed,
   * `ERR_UPSTREAM_DOWN` when no server answered, `ERR_UPSTREAM_SLOW`, `ERR_TOO_MANY`.
   */
  resolve(name: string): Promise<readonly FoundAddress[]>
}

/** How names are resolved. */
export interface NameResolverOptions {
  readonly check: AddressCheck
  /** Servers to ask, `address` or `address:port`. @default those of the machine */
  readonly servers?: readonly string[] | undefined
}

interface Known {
  readonly addresses: readonly FoundAddress[]
  readonly untilMs: number
}

interface Found {
  readonly address: string
  readonly ttl: number
}

/** A resolver that remembers what it found for as long as it may, for one site: what another one asked for stays its own. */
export function createNameResolver({ check, servers }: NameResolverOptions): NameResolver {
  const { names, lookUps, lookUpsWaiting } = limits.egress
  const turnstile = createTurnstile({ parallel: lookUps, most: lookUpsWaiting, what: 'look-ups of names' })
  /** Keyed by name. */
  const known = new Map<string, Known>()
  const asking = new Map<string, Promise<readonly FoundAddress[]>>()

  const ask = async (name: string): Promise<readonly FoundAddress[]> => {
    const found = await turnstile.run(() => askServers(name, servers))
    const addresses = toAllowed(name, found, check)
    const { leastTtlMs, longestTtlMs } = limits.egress
    const ttlMs = Math.min(...found.map(({ ttl }) => ttl)) * 1_000
    const untilMs = performance.now() + Math.max(leastTtlMs, Math.min(longestTtlMs, ttlMs))
    setNewest(known, name, { addresses, untilMs }, names)
    return addresses
  }

  return {
    resolve(name) {
      const before = known.get(name)
      if (before && before.untilMs > performance.now()) return Promise.resolve(before.addresses)
      const running = asking.get(name) ?? ask(name).finally(() => asking.delete(name))
      asking.set(name, running)
      return running
    },
  }
}

function toAllowed(name: string, found: readonly Found[], check: AddressCheck): FoundAddress[] {
  const { addresses, addressesSeen } = limits.egress
  const isFit = found.length > 0 && found.length <= addressesSeen
  if (!isFit || !found.every(({ address }) => check.isAllowed(address))) throw refused(`${name} has no public address`)
  return found.slice(0, addresses).map(({ address }) => ({ address, family: address.includes(':') ? 6 : 4 }))
}

/** Both kinds of addresses of a name. A kind that could not be asked for is left out, if the other one is there. */
async function askServers(name: string, servers: readonly string[] | undefined): Promise<Found[]> {
  const { lookUpMs, questionMs } = limits.egress
  // One for each look-up, so that it can be given up alone. It reads no hosts file and adds no search domain.
  const resolver = new Resolver({ timeout: questionMs, tries: 2 })
  if (servers) resolver.setServers(servers)
  const timer = setTimeout(() => resolver.cancel(), lookUpMs)
  try {
    const answers = await Promise.allSettled([
      resolver.resolve4(name, { ttl: true }),
      resolver.resolve6(name, { ttl: true }),
    ])
    const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    if (found.length > 0) return found
    const codes = answers.map((answer) => (answer.status === 'rejected' ? codeOf(answer.reason) : 'ENODATA'))
    if (codes.every((code) => code === 'ENODATA' || code === 'ENOTFOUND')) return []
    if (codes.some((code) => code === 'ETIMEOUT' || code === 'ECANCELLED'))
      throw new GroveError('ERR_UPSTREAM_SLOW', `no name server answered for ${name} in time`)
    throw new GroveError('ERR_UPSTREAM_DOWN', `no name server could answer for ${name}`)
  } finally {
    clearTimeout(timer)
  }
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code)
}
