/**
 * Waiting until the servers of a zone have a record, each of their addresses asked directly: a CA may come to any of
 * them, and what a resolver remembers of the time before would hide the truth from us.
 */

import type { Logger } from 'pino'
import { dnsError } from '../../core/dns-provider.ts'
import { GroveError } from '../../core/errors.ts'
import { forEachParallel } from '../../core/parallel.ts'
import type { Environment } from '../../store/environment.ts'
import type { DnsBounds } from './bounds.ts'
import type { Questions } from './questions.ts'
import type { Zone } from './zone-servers.ts'

/** What the waiting needs. */
export interface PropagationOptions {
  readonly questions: Questions
  readonly environment: Pick<Environment, 'monotonic' | 'sleep'>
  readonly bounds: DnsBounds
  readonly log?: Logger | undefined
  readonly signal: AbortSignal
  /** Gives the record to the provider once more: of two writers that replace whole sets, one may have lost its value. */
  again(): Promise<void>
}

/** One address of a server, and what it last answered. */
interface Place {
  readonly server: string
  readonly address: string
  /** `silent`: it has not answered, or not sensibly, as often as `failures`. */
  state: 'unasked' | 'has' | 'lacks' | 'silent'
  failures: number
  fault: string
}

/**
 * Resolves when every server of the zone answers the value for the name. Servers that do not answer at all are waited
 * for over `bounds.silentRounds` rounds, and then the others are enough: a CA passes them over as well. Throws `ERR_DNS`
 * (`propagation`) that names those without it after `bounds.propagationMs`.
 */
export async function waitUntilSeen(
  name: string,
  value: string,
  zone: Zone,
  options: PropagationOptions,
): Promise<void> {
  const { environment, bounds, signal } = options
  const places = zone.servers.flatMap(({ name: server, addresses }) =>
    addresses.map((address): Place => ({ server, address, state: 'unasked', failures: 0, fault: '' })),
  )
  const beganMs = environment.monotonic()
  let presentedMs = beganMs
  for (;;) {
    await askAll(places, name, value, options)
    if (isEnough(places, bounds)) break
    const nowMs = environment.monotonic()
    if (nowMs - beganMs + bounds.pollMs > bounds.propagationMs) {
      if (places.some(({ state }) => state === 'has') && places.every(({ state }) => state !== 'lacks')) break
      throw missing(name, zone, places, bounds)
    }
    if (nowMs - presentedMs >= bounds.againMs) {
      presentedMs = nowMs
      await options.again()
    }
    await environment.sleep(bounds.pollMs, signal)
  }
  const silent = places.filter(({ state }) => state === 'silent')
  if (silent.length > 0)
    options.log?.warn(
      { name, zone: zone.name, servers: silent.map(describe) },
      'name servers do not answer; the others have the record',
    )
}

async function askAll(
  places: readonly Place[],
  name: string,
  value: string,
  options: PropagationOptions,
): Promise<void> {
  const { questions, bounds, signal } = options
  const open = places.filter(({ state }) => state !== 'has')
  await forEachParallel(open, bounds.parallel, async (place) => {
    try {
      const texts = await questions.texts(name, place.address, signal)
      place.state = texts.includes(value) ? 'has' : 'lacks'
      place.fault = texts.length === 0 ? 'has no TXT record there' : `has ${texts.length} other TXT records there`
    } catch (error) {
      signal.throwIfAborted()
      place.state = 'silent'
      place.failures += 1
      place.fault = error instanceof GroveError ? error.message : String(error)
    }
  })
}

/** Whether the value is everywhere, but for addresses that were tried often enough. */
function isEnough(places: readonly Place[], { silentRounds }: DnsBounds): boolean {
  const servers = new Set(places.filter(({ state }) => state === 'has').map(({ server }) => server))
  if (servers.size === 0) return false
  return places.every(({ state, failures, server }) => {
    if (state !== 'silent') return state === 'has'
    // A server that answers at another address is there: this machine may lack IPv6.
    return servers.has(server) || failures >= silentRounds
  })
}

function missing(name: string, zone: Zone, places: readonly Place[], { propagationMs }: DnsBounds): GroveError {
  const without = places.filter(({ state }) => state !== 'has').map(describe)
  const seconds = Math.round(propagationMs / 1_000)
  const isDeaf = places.every(({ state }) => state === 'silent')
  return dnsError(
    'propagation',
    `servers of ${zone.name} do not have the record of ${name} after ${seconds} s: ${without.join('; ')}`,
    {
      hint: isDeaf
        ? 'can this machine reach port 53 of those servers, by UDP and TCP?'
        : 'does the provider serve this zone, or are the name servers of the domain somebody else’s?',
    },
  )
}

function describe({ server, address, fault }: Place): string {
  return `${server} (${address}) ${fault}`
}
