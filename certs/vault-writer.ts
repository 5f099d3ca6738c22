/**
 * Writing records in a place that others write to as well, with nothing but create-only objects.
 *
 * A write looks for the newest number, creates the next one, and looks again: of two who create the same number one
 * does, and who created one that others had passed and removed already sees theirs.
 */

import type { Logger } from 'pino'
import { isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Copies } from './vault-copies.ts'
import { createObject, currentOf, revisionsOf } from './vault-objects.ts'
import type { VaultPlace } from './vault-place.ts'
import {
  byAge,
  encodeRecord,
  firstNumber,
  leaseOf,
  numberAfter,
  objectOf,
  type RecordSeal,
  type Revision,
  raced,
} from './vault-record.ts'

/** Where is written, and how. */
export interface WriterOptions {
  readonly place: VaultPlace
  readonly seal: RecordSeal
  /** Copies of what lies in the place. */
  readonly copies?: Copies | undefined
  readonly log: Logger
}

/** A write under a lease. */
export interface FencedWrite {
  readonly lease: number
  /** Rejects when the lease is lost; asked as late as can be. */
  readonly check: () => Promise<void>
}

/** Writes if the newest record has a number. Answers its own number. Rejects with `ERR_CERT_RACED`. */
export async function writeRecord(options: WriterOptions, key: string, text: string, expect: number): Promise<number> {
  const revisions = await revisionsOf(options.place, key)
  const current = currentOf(revisions)
  if (current !== expect) throw raced(key, `its number is ${current}, expected ${expect}`)
  const number = numberAfter(revisions[0]?.number ?? 0)
  await put(options, key, { number, text, isBeaten: (newest) => newest.number !== number || newest.isGone })
  return number
}

/** Writes above all that was written under this lease and those before. Rejects with `ERR_CERT_RACED`. */
export async function writeFenced(
  options: WriterOptions,
  key: string,
  text: string,
  fence: FencedWrite,
): Promise<number> {
  for (let attempt = 0; attempt < limits.cert.recordTries; attempt += 1) {
    const [newest] = await revisionsOf(options.place, key)
    const number = fencedNumber(key, newest, fence)
    await fence.check()
    try {
      await put(options, key, { number, text, isBeaten: (found) => leaseOf(found.number) > fence.lease })
      return number
    } catch (error) {
      // Either a later holder wrote, which the next round finds, or somebody without a lease did.
      if (!isGroveError(error, 'ERR_CERT_RACED')) throw error
    }
  }
  throw raced(key, 'too many write at the same time')
}

/** Removes a record; with a fence only what was written under this lease and those before. */
export async function removeRecord(options: WriterOptions, key: string, fence?: FencedWrite): Promise<void> {
  const { place, copies } = options
  const [newest] = await revisionsOf(place, key)
  if (newest && !newest.isGone) {
    const number = fence ? fencedNumber(key, newest, fence) : numberAfter(newest.number)
    await fence?.check()
    const gone: Revision = { number, isGone: true }
    // Taken by another one who removes it: that is as good.
    await createObject(place, objectOf(key, gone), Buffer.from('gone'))
    const found = await revisionsOf(place, key)
    const older = found.filter((one) => byAge(gone, one) < 0)
    await discard(options, key, older)
  }
  await copies?.drop(key)
}

interface Draft {
  readonly number: number
  readonly text: string
  /** Whether the newest that lies there afterwards means that this one came too late. */
  readonly isBeaten: (newest: Revision) => boolean
}

/** Makes the object of a number. Rejects with `ERR_CERT_RACED` when it is taken, and when it is beaten: then it goes. */
async function put(options: WriterOptions, key: string, { number, text, isBeaten }: Draft): Promise<void> {
  const { place, seal, copies } = options
  const own: Revision = { number, isGone: false }
  const bytes = encodeRecord(key, number, text, seal)
  const isMade = await createObject(place, objectOf(key, own), bytes)
  const revisions = isMade ? await revisionsOf(place, key) : []
  const newest = revisions[0] ?? own
  if (isMade && isBeaten(newest)) await discard(options, key, [own])
  if (!isMade || isBeaten(newest)) throw raced(key, 'another one wrote at the same time')
  // The one before stays: it is what is used should this one be found damaged.
  await discard(options, key, revisions.slice(2))
  if (newest.number === number) await copies?.keep(key, number, bytes)
}

/** The number for a write under a lease, above all under it. Throws when a later holder has written. */
function fencedNumber(key: string, newest: Revision | undefined, { lease }: FencedWrite): number {
  const found = newest === undefined ? 0 : leaseOf(newest.number)
  if (found > lease) throw raced(key, 'a later holder of the lease wrote')
  return newest !== undefined && found === lease ? numberAfter(newest.number) : firstNumber(lease)
}

/** What cannot be removed now is removed by a later write or a sweep. */
async function discard({ place, log }: WriterOptions, key: string, revisions: readonly Revision[]): Promise<void> {
  if (revisions.length === 0) return
  await place
    .remove(revisions.map((one) => objectOf(key, one)))
    .catch((error) => log.warn({ err: error, key }, 'an old record of the vault cannot be removed yet'))
}
