/** The leases that this process holds: kept alive as long as they are held, and known to be lost when they are. */

import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { LeasesOptions } from './lease-options.ts'
import type { LeaseReturns } from './lease-returns.ts'
import { createLifeSigns } from './life-signs.ts'

/** One lease while it is held. */
export interface HeldLease {
  readonly name: string
  readonly key: string
  readonly number: number
  readonly lost: AbortController
}

/** The leases that this process holds. */
export interface HeldLeases {
  readonly size: number
  has(key: string): boolean
  /** From now on it is kept alive. */
  hold(one: HeldLease): void
  /** Rejects with the reason of its signal when it is not held any more; looks whether it is. */
  check(one: HeldLease): Promise<void>
  /** Gives it back, if it is still held. Does not reject. */
  give(one: HeldLease): Promise<void>
  /** Shows life as long as something is held or is to be given back. */
  tend(): void
  /** Gives all back. */
  end(): Promise<void>
}

/** None is held yet. */
export function createHeldLeases(options: LeasesOptions, returns: LeaseReturns): HeldLeases {
  const { records, heartbeat, log } = options
  /** Keyed by key. */
  const held = new Map<string, HeldLease>()

  const lose = (one: HeldLease, why: string) => {
    if (held.get(one.key) !== one) return
    held.delete(one.key)
    returns.later(one.key, one.name)
    log.warn({ lease: one.name, number: one.number }, `lease lost: ${why}`)
    one.lost.abort(new GroveError('ERR_CERT_RACED', `the lease on ${one.name} is lost: ${why}`))
  }
  /** The machine may have slept while its clocks did. */
  const look = async (one: HeldLease) => {
    if ((await records.newest(one.key)) !== one.number) lose(one, 'another one took it over')
  }
  const loseSilent = () => {
    if (heartbeat.ageMs <= limits.cert.leaseLostMs) return
    for (const one of held.values()) lose(one, 'no sign of life came through in time')
  }
  const life = createLifeSigns({
    ...options,
    isNeeded: () => held.size + returns.size > 0,
    look: loseSilent,
    async shown() {
      await forEachParallel([...held.values()], limits.objects.parallel, look)
      await returns.retry()
    },
  })
  const give = async (one: HeldLease) => {
    if (held.get(one.key) !== one) return
    held.delete(one.key)
    one.lost.abort(new GroveError('ERR_CLOSED', `the lease on ${one.name} was given back`))
    await returns.giveBack(one.key, one.name, one.number)
    life.start()
  }
  return {
    get size() {
      return held.size
    },
    has: (key) => held.has(key),
    hold(one) {
      held.set(one.key, one)
      life.start()
    },
    async check(one) {
      loseSilent()
      if (held.get(one.key) === one) await look(one)
      one.lost.signal.throwIfAborted()
    },
    give,
    tend: life.start,
    async end() {
      life.end()
      await forEachParallel([...held.values()], limits.objects.parallel, give)
    },
  }
}
