/** Giving leases back, also when that does not work at once or nobody knows whether there is one. */

import { isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { decodeLease, encodeLease } from './lease-content.ts'
import type { LeasesOptions } from './lease-options.ts'

/** Leases that this process does not hold any more. No call rejects. */
export interface LeaseReturns {
  /** How many may still be recorded as this process's own. */
  readonly size: number
  /** Lets others have a lease at once. */
  giveBack(key: string, name: string, number: number): Promise<void>
  /** It may be recorded as ours though we do not hold it: the next {@link LeaseReturns.retry} looks. */
  later(key: string, name: string): void
  /** This process took it anew. */
  forget(key: string): void
  /** Gives back what could not be given back before. */
  retry(): Promise<void>
}

/** Returns of a process that has nothing to give back. `isInUse`: the process holds a lease, or is taking it. */
export function createLeaseReturns(
  { records, heartbeat, log }: LeasesOptions,
  isInUse: (key: string) => boolean,
): LeaseReturns {
  const holder = heartbeat.self
  /** Names, keyed by key. */
  const left = new Map<string, string>()

  const later = (key: string, name: string) => {
    // Beyond the bound others wait until this process ends.
    if (left.size < limits.cert.leases) left.set(key, name)
  }
  const giveBack = async (key: string, name: string, number: number) => {
    try {
      await records.write(key, encodeLease({ name, holder, isFree: true }), number)
    } catch (error) {
      if (isGroveError(error, 'ERR_CERT_RACED')) return // It is another one's.
      log.warn({ err: error, lease: name }, 'a lease cannot be given back yet')
      later(key, name)
    }
  }
  const look = async (key: string, name: string) => {
    const found = await records.find(key)
    if (isInUse(key)) return
    left.delete(key)
    const content = found?.fault === undefined ? decodeLease(found?.text) : undefined
    if (found && content?.holder === holder && !content.isFree) await giveBack(key, name, found.number)
  }
  return {
    get size() {
      return left.size
    },
    giveBack,
    later,
    forget: (key) => void left.delete(key),
    async retry() {
      for (const [key, name] of [...left])
        await look(key, name).catch((error) =>
          log.warn({ err: error, lease: name }, 'a lease cannot be given back yet'),
        )
    },
  }
}
