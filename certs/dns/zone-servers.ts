/** The authoritative servers of a name: those of the nearest zone above it, found by walking up. */

import { dnsError, withParents } from '../../core/dns-provider.ts'
import type { DnsBounds } from './bounds.ts'
import type { Questions } from './questions.ts'

/** One name server of a zone. */
export interface ZoneServer {
  readonly name: string
  /** Of both families; none when its name leads nowhere. */
  readonly addresses: readonly string[]
}

/** A zone with its servers. */
export interface Zone {
  readonly name: string
  readonly servers: readonly ZoneServer[]
}

/**
 * The zone that a name lies in, with at most `bounds.servers` of its servers. Throws `ERR_DNS` (`resolver`) when none is
 * found, or none of its servers has an address.
 */
export async function findZone(
  name: string,
  questions: Questions,
  bounds: DnsBounds,
  signal: AbortSignal,
): Promise<Zone> {
  for (const zone of withParents(name, bounds.zoneLevels)) {
    const names = await questions.nameServers(zone, signal)
    if (names.length > 0) return { name: zone, servers: await toServers(zone, names, questions, bounds, signal) }
  }
  throw dnsError('resolver', `nobody knows a zone that ${name} lies in`, {
    hint: 'is the domain registered, and does the resolver of this machine see it?',
  })
}

async function toServers(
  zone: string,
  names: readonly string[],
  questions: Questions,
  bounds: DnsBounds,
  signal: AbortSignal,
): Promise<ZoneServer[]> {
  // More than a few dozen servers has no zone; whoever answers thousands does not make us ask them all.
  const servers = await Promise.all(
    [...names]
      .sort()
      .slice(0, bounds.servers)
      .map(async (name): Promise<ZoneServer> => {
        // One server whose address nobody knows is no reason not to ask the others.
        const addresses = await questions.addresses(name, signal).catch(() => [])
        return { name, addresses: addresses.slice(0, bounds.addresses) }
      }),
  )
  signal.throwIfAborted()
  if (servers.some(({ addresses }) => addresses.length > 0)) return servers
  throw dnsError(
    'resolver',
    `none of the name servers of ${zone} has an address: ${servers.map(({ name }) => name).join(', ')}`,
  )
}
