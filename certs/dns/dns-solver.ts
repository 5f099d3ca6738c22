/**
 * Answers dns-01 challenges (RFC 8555 section 8.4) with records at a provider of DNS.
 *
 * The record is put where `_acme-challenge.<name>` leads, the servers of that zone are asked until they have it, and it
 * is taken away in every case, also when something failed or the order was given up. Several values stand at one name at
 * a time, as `example.com` and `*.example.com` want it.
 */

import type { Logger } from 'pino'
import { type DnsProvider, type DnsReason, type DnsRecord, dnsError } from '../../core/dns-provider.ts'
import { GroveError, isGroveError } from '../../core/errors.ts'
import { setNewest } from '../../core/newest.ts'
import type { Environment } from '../../store/environment.ts'
import type { Challenge, Solver } from '../acme/solver.ts'
import { within } from '../within.ts'
import { type DnsBounds, toDnsBounds } from './bounds.ts'
import { challengeName, followAliases } from './delegation.ts'
import { waitUntilSeen } from './propagation.ts'
import { createQuestions } from './questions.ts'
import { findZone } from './zone-servers.ts'

/** What a solver is made with. */
export interface DnsSolverOptions {
  readonly provider: DnsProvider
  readonly environment: Pick<Environment, 'monotonic' | 'sleep'>
  readonly log?: Logger | undefined
  /** Resolvers in place of the system's: addresses, maybe with a port, `192.0.2.53:5353` or `[2001:db8::53]:5353`. */
  readonly resolvers?: readonly string[] | undefined
  /** Port of authoritative servers. @default 53 */
  readonly port?: number | undefined
  /** Ends what waits. Records are taken away nevertheless. */
  readonly signal?: AbortSignal | undefined
  readonly bounds?: Partial<DnsBounds> | undefined
}

/** Reasons that may be gone in a moment. */
const passing: ReadonlySet<unknown> = new Set(['limited', 'unavailable', 'timeout', 'answer'] satisfies DnsReason[])

/** A solver for dns-01. `present` and `remove` throw `ERR_DNS` with a `DnsReason`; `present` leaves nothing behind then. */
export function createDnsSolver(options: DnsSolverOptions): Solver {
  const { provider, environment, log, signal: ended = new AbortController().signal } = options
  const bounds = toDnsBounds(options.bounds)
  const questions = createQuestions({ resolvers: options.resolvers, port: options.port, bounds })
  /** Where records were put, keyed by name and value: an alias may be another one when they are taken away. */
  const places = new Map<string, string>()

  async function call(action: 'present' | 'remove', record: DnsRecord, signal: AbortSignal): Promise<void> {
    const what = `${provider.name} (${action} ${record.name})`
    try {
      await within({ environment, ms: bounds.providerMs, what, signal }, (over) => provider[action](record, over))
    } catch (error) {
      signal.throwIfAborted()
      if (isGroveError(error, 'ERR_DNS')) throw error
      const reason = isGroveError(error, 'ERR_TIMEOUT') ? 'timeout' : 'refused'
      const message = error instanceof Error ? error.message : String(error)
      throw dnsError(reason, error instanceof GroveError ? message : `${what}: ${message}`, { cause: error })
    }
  }

  /** Not ended by anything but its own bounds: what was published has to go. */
  async function takeAway(record: DnsRecord): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await call('remove', record, new AbortController().signal)
      } catch (error) {
        if (attempt >= bounds.removeTries || !passing.has(error instanceof GroveError ? error.details?.['reason'] : ''))
          throw error
        await environment.sleep(bounds.removeRetryMs)
      }
    }
  }

  return {
    kind: 'dns-01',

    async present(challenge) {
      const name = await followAliases(challengeName(challenge.name), questions, bounds, ended)
      setNewest(places, keyOf(challenge), name, bounds.places)
      const record = toRecord(name, challenge, bounds)
      try {
        await call('present', record, ended)
        const zone = await findZone(name, questions, bounds, ended)
        await waitUntilSeen(name, record.value, zone, {
          questions,
          environment,
          bounds,
          log,
          signal: ended,
          again: () => call('present', record, ended),
        })
      } catch (error) {
        // It may have been published although the provider says no, or never answered.
        await takeAway(record).catch((fault: unknown) =>
          log?.warn({ err: fault, name, provider: provider.name }, 'a record of a challenge could not be taken away'),
        )
        throw ended.aborted ? ended.reason : error
      }
    },

    async remove(challenge) {
      const key = keyOf(challenge)
      // After a restart nobody remembers: then it is where the alias leads now.
      const name =
        places.get(key) ??
        (await followAliases(challengeName(challenge.name), questions, bounds, new AbortController().signal))
      await takeAway(toRecord(name, challenge, bounds))
      places.delete(key)
    },
  }
}

function keyOf({ name, dnsValue }: Challenge): string {
  return `${name} ${dnsValue}`
}

function toRecord(name: string, { dnsValue }: Challenge, { ttlSeconds }: DnsBounds): DnsRecord {
  return { name, type: 'TXT', value: dnsValue, ttlSeconds }
}
