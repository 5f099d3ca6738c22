/**
 * Leases: of several machines one does a thing. A lease is a record of the vault that says who holds it; taking it means
 * writing the next one, and the number of that one is the number of the lease.
 *
 * Nobody's wall clock counts. A holder gives signs of life (heartbeat.ts); who has not seen a new one for
 * `limits.cert.leaseDeadMs` takes the lease over; a holder whose own signs do not come through gives up before that. A
 * process that was stopped for an hour still believes in its lease until it looks: that is why its writes are numbered
 * (vault-record.ts), and lose.
 */

import { hash } from 'node:crypto'
import { GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { createHeldLeases, type HeldLease, type HeldLeases } from './held-leases.ts'
import { encodeLease } from './lease-content.ts'
import type { LeasesOptions } from './lease-options.ts'
import { createLeaseReturns, type LeaseReturns } from './lease-returns.ts'
import { createLeaseWatch, type LeaseWatch } from './lease-watch.ts'
import type { Lease } from './vault.ts'
import { checkRecordKey, mostLeases } from './vault-record.ts'
import type { Records } from './vault-records.ts'
import type { FencedWrite } from './vault-writer.ts'

/** The leases of one process. */
export interface Leases extends AsyncDisposable {
  /** See `Vault.lease`. */
  take(name: string, signal?: AbortSignal): Promise<Lease | undefined>
}

/** First word of the keys of leases; no other record has it. */
export const leasesWord = 'leases'

/** Leases of a process that holds none yet. */
export function createLeases(options: LeasesOptions): Leases {
  /** Keys. */
  const taking = new Set<string>()
  const returns = createLeaseReturns(options, (key) => held.has(key) || taking.has(key))
  const held = createHeldLeases(options, returns)
  const taker: Taker = { ...options, held, returns, watch: createLeaseWatch(options.env, options.heartbeat) }
  let isClosed = false
  return {
    async take(name, signal) {
      const key = `${leasesWord}/${hash('sha256', checkRecordKey(name))}`
      signal?.throwIfAborted()
      if (isClosed) throw closed()
      if (held.has(key) || taking.has(key)) return undefined
      if (held.size + taking.size >= limits.cert.leases)
        throw new GroveError('ERR_TOO_MANY', `more than ${limits.cert.leases} leases are held`)
      taking.add(key)
      try {
        const one = await take(taker, key, name, signal)
        if (!one) return undefined
        if (!isClosed && !signal?.aborted) return toLease(one, options.records, held)
        await held.give(one)
        signal?.throwIfAborted()
        throw closed()
      } finally {
        taking.delete(key)
      }
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      await held.end()
    },
  }
}

interface Taker extends LeasesOptions {
  readonly held: HeldLeases
  readonly returns: LeaseReturns
  readonly watch: LeaseWatch
}

async function take(
  { records, heartbeat, held, returns, watch }: Taker,
  key: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<HeldLease | undefined> {
  const found = await records.find(key)
  if (found && !(await watch.isToBeHad(key, found))) return undefined
  // Before the lease: nobody may see it and no sign of life.
  await heartbeat.beat()
  signal?.throwIfAborted()
  let number: number
  try {
    number = await records.write(key, encodeLease({ name, holder: heartbeat.self, isFree: false }), found?.number ?? 0)
  } catch (error) {
    if (isGroveError(error, 'ERR_CERT_RACED')) return undefined
    returns.later(key, name) // It may be there all the same.
    held.tend()
    throw error
  }
  if (number > mostLeases) throw new GroveError('ERR_TOO_MANY', `the lease on ${name} was taken too often`)
  const one: HeldLease = { name, key, number, lost: new AbortController() }
  watch.forget(key)
  returns.forget(key)
  held.hold(one)
  return one
}

function toLease(one: HeldLease, records: Records, held: HeldLeases): Lease {
  const { signal } = one.lost
  const fence: FencedWrite = { lease: one.number, check: () => held.check(one) }
  return {
    name: one.name,
    number: one.number,
    signal,
    async write(key, text) {
      signal.throwIfAborted()
      return records.writeFenced(checkOwnKey(key), text, fence)
    },
    async remove(key) {
      signal.throwIfAborted()
      await records.remove(checkOwnKey(key), fence)
    },
    [Symbol.asyncDispose]: () => held.give(one),
  }
}

/** A key that may be written, which those of leases may not. Throws `ERR_BAD_REQUEST`. */
export function checkOwnKey(key: string): string {
  if (key.split('/', 1)[0] !== leasesWord) return checkRecordKey(key)
  throw new GroveError('ERR_BAD_REQUEST', `records below ${leasesWord} are those of leases`)
}

function closed(): GroveError {
  return new GroveError('ERR_CLOSED', 'the vault is closed')
}
