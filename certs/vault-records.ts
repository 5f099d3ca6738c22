/**
 * Reading and writing records in a place that others write to as well, with nothing but create-only objects.
 *
 * A write looks for the newest number, creates the next one, and looks again: of two who create the same number one
 * does, and who created one that others had passed and removed already sees theirs. With a bucket the folder holds
 * copies; what counts is what the bucket has.
 */

import type { Logger } from 'pino'
import { GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Environment } from '../store/environment.ts'
import { isObjectsError } from '../store/objects/object-errors.ts'
import type { Keyring } from '../store/segments/keyring.ts'
import type { VaultPlace } from './vault-place.ts'
import {
  byAge,
  damaged,
  decodeRecord,
  encodeRecord,
  firstNumber,
  isDamagedRecord,
  leaseOf,
  mostObjectBytes,
  numberAfter,
  objectOf,
  objectsOf,
  parseObject,
  type RecordSeal,
  type Revision,
} from './vault-record.ts'

/** Where records lie and how they are sealed. */
export interface RecordsOptions {
  readonly env: Environment
  /** The folder. */
  readonly near: VaultPlace
  /** The bucket, when there is one. */
  readonly remote?: VaultPlace | undefined
  readonly keyring?: Keyring | undefined
  readonly log: Logger
}

/** What is found of a key. */
export interface FoundRecord {
  /** Of the newest record, whole or not. */
  readonly number: number
  /** Of the newest that is whole; undefined when none is. */
  readonly text: string | undefined
  /** What is wrong with the newest record; undefined when it is whole. */
  readonly fault: GroveError | undefined
}

/** A write under a lease. */
export interface FencedWrite {
  readonly lease: number
  /** Rejects when the lease is lost; asked as late as can be. */
  readonly check: () => Promise<void>
}

/** Records of one vault. Keys are not checked here. */
export interface Records {
  /** Where that lies which counts. */
  readonly truth: VaultPlace
  /** The newest record; undefined when there is none or it was removed. */
  find(key: string): Promise<FoundRecord | undefined>
  /** The same of what lies in the folder. */
  findNear(key: string): Promise<FoundRecord | undefined>
  /** The number of the newest record, 0 for none. Reads nothing. */
  newest(key: string): Promise<number>
  /** Writes if the newest has a number. Answers the number. Rejects with `ERR_CERT_RACED`. */
  write(key: string, text: string, expect: number): Promise<number>
  /** Writes above all that was written under this lease and those before. Rejects with `ERR_CERT_RACED`. */
  writeFenced(key: string, text: string, fence: FencedWrite): Promise<number>
  /** Removes a record; with a fence only what was written under this lease and those before. */
  remove(key: string, fence?: FencedWrite): Promise<void>
}

/** The records of a place. */
export function createRecords({ env, near, remote, keyring, log }: RecordsOptions): Records {
  const truth = remote ?? near
  // Whoever can write to the folder has this machine; a bucket can be written to by others.
  const sealOf = (place: VaultPlace): RecordSeal => ({ env, keyring, isPlainTaken: place === near })

  async function find(place: VaultPlace, key: string): Promise<FoundRecord | undefined> {
    for (let attempt = 0; attempt < limits.cert.recordTries; attempt += 1) {
      const revisions = await revisionsOf(place, key)
      const [newest] = revisions
      if (!newest || newest.isGone) {
        if (place === remote) await dropCopies(key)
        return undefined
      }
      const found = await readNewestWhole(place, key, revisions)
      if (found) return { number: newest.number, ...found }
    }
    throw raced(key, 'it changes faster than it can be read')
  }

  /** Undefined when one was removed meanwhile: then there is a newer one. */
  async function readNewestWhole(
    place: VaultPlace,
    key: string,
    revisions: readonly Revision[],
  ): Promise<Pick<FoundRecord, 'text' | 'fault'> | undefined> {
    let fault: GroveError | undefined
    for (const { number, isGone } of revisions) {
      if (isGone) break
      try {
        return { text: await readText(place, key, number), fault }
      } catch (error) {
        if (isGroveError(error, 'ERR_NOT_FOUND')) return undefined
        if (!isDamagedRecord(error)) throw error
        log.error({ err: error, key }, 'a record of the vault is damaged; the one before is used if it is whole')
        fault ??= error
      }
    }
    return { text: undefined, fault }
  }

  async function readText(place: VaultPlace, key: string, number: number): Promise<string> {
    if (place === remote) {
      const copy = await readCopy(key, number)
      if (copy !== undefined) return copy
    }
    const bytes = await readObject(place, objectOf(key, { number, isGone: false }))
    const text = decodeRecord(bytes, key, number, sealOf(place))
    if (place === remote) await keepCopy(key, number, bytes)
    return text
  }

  /** The text of the copy in the folder; undefined when there is none that can be used. */
  async function readCopy(key: string, number: number): Promise<string | undefined> {
    try {
      const bytes = await readObject(near, objectOf(key, { number, isGone: false }))
      return decodeRecord(bytes, key, number, sealOf(near))
    } catch (error) {
      if (!isGroveError(error, 'ERR_NOT_FOUND'))
        log.warn({ err: error, key }, 'the copy of a record cannot be used; the bucket is asked')
      return undefined
    }
  }

  /** A disk that is full takes away the copy, not the record. */
  async function keepCopy(key: string, number: number, bytes: Buffer): Promise<void> {
    try {
      await near.replace(objectOf(key, { number, isGone: false }), bytes)
      const others = (await revisionsOf(near, key)).filter((one) => one.number !== number || one.isGone)
      await near.remove(others.map((one) => objectOf(key, one)))
    } catch (error) {
      log.warn({ err: error, key }, 'a record cannot be kept in the folder of the vault; it lies in the bucket')
    }
  }

  async function dropCopies(key: string): Promise<void> {
    try {
      await near.remove((await revisionsOf(near, key)).map((one) => objectOf(key, one)))
    } catch (error) {
      log.warn({ err: error, key }, 'the copy of a removed record cannot be removed')
    }
  }

  /** What cannot be removed now is removed by a later write or a sweep. */
  async function discard(key: string, revisions: readonly Revision[]): Promise<void> {
    if (revisions.length === 0) return
    await truth.remove(revisions.map((one) => objectOf(key, one))).catch((error) => {
      log.warn({ err: error, key }, 'an old record of the vault cannot be removed yet')
    })
  }

  /**
   * Makes the object of a number, and answers what then lies there, newest first. Rejects with `ERR_CERT_RACED` when the
   * number is taken, or when `isBeaten` says so of the newest: then ours is taken back.
   */
  async function put(key: string, number: number, text: string, isBeaten: (newest: Revision) => boolean) {
    const own: Revision = { number, isGone: false }
    const bytes = encodeRecord(key, number, text, sealOf(truth))
    if (!(await create(truth, objectOf(key, own), bytes))) throw raced(key, 'another one wrote at the same time')
    const revisions = await revisionsOf(truth, key)
    const newest = revisions[0] ?? own
    if (isBeaten(newest)) {
      await discard(key, [own])
      throw raced(key, 'another one wrote at the same time')
    }
    // The one before stays: it is what is used should this one be found damaged.
    await discard(key, revisions.slice(2))
    if (remote && newest.number === number) await keepCopy(key, number, bytes)
  }

  /** The number for a write under a lease, above all under it. Rejects when a later holder has written. */
  function fencedNumber(key: string, newest: Revision | undefined, { lease }: FencedWrite): number {
    const found = newest === undefined ? 0 : leaseOf(newest.number)
    if (found > lease) throw raced(key, 'a later holder of the lease wrote')
    return newest !== undefined && found === lease ? numberAfter(newest.number) : firstNumber(lease)
  }

  return {
    truth,
    find: (key) => find(truth, key),
    findNear: (key) => find(near, key),
    newest: async (key) => currentOf(await revisionsOf(truth, key)),

    async write(key, text, expect) {
      const revisions = await revisionsOf(truth, key)
      const current = currentOf(revisions)
      if (current !== expect) throw raced(key, `its number is ${current}, expected ${expect}`)
      const number = numberAfter(revisions[0]?.number ?? 0)
      await put(key, number, text, (newest) => newest.number !== number || newest.isGone)
      return number
    },

    async writeFenced(key, text, fence) {
      for (let attempt = 0; attempt < limits.cert.recordTries; attempt += 1) {
        const [newest] = await revisionsOf(truth, key)
        const number = fencedNumber(key, newest, fence)
        await fence.check()
        try {
          await put(key, number, text, (found) => leaseOf(found.number) > fence.lease)
          return number
        } catch (error) {
          if (!isGroveError(error, 'ERR_CERT_RACED')) throw error
        }
      }
      throw raced(key, 'too many write at the same time')
    },

    async remove(key, fence) {
      const [newest] = await revisionsOf(truth, key)
      if (newest && !newest.isGone) {
        const number = fence ? fencedNumber(key, newest, fence) : numberAfter(newest.number)
        await fence?.check()
        const gone: Revision = { number, isGone: true }
        // Taken by another one who removes it: that is as good.
        await create(truth, objectOf(key, gone), Buffer.from('gone'))
        const found = await revisionsOf(truth, key)
        await discard(
          key,
          found.filter((one) => byAge(gone, one) < 0),
        )
      }
      if (remote) await dropCopies(key)
    },
  }
}

/** All revisions of a key, newest first. */
export async function revisionsOf(place: VaultPlace, key: string): Promise<Revision[]> {
  const revisions: Revision[] = []
  for await (const { key: object } of place.list(objectsOf(key))) {
    const revision = parseObject(object)
    if (revision?.key === key) revisions.push(revision)
  }
  return revisions.sort(byAge)
}

/** Somebody else was first. */
export function raced(key: string, why: string): GroveError {
  return new GroveError('ERR_CERT_RACED', `record ${key} of the vault cannot be written: ${why}`)
}

function currentOf([newest]: readonly Revision[]): number {
  return newest && !newest.isGone ? newest.number : 0
}

async function readObject(place: VaultPlace, object: string): Promise<Buffer> {
  const found = await place.stat(object)
  if (!found) throw new GroveError('ERR_NOT_FOUND', `there is no object ${object} in ${place.name}`)
  if (found.bytes > mostObjectBytes) throw damaged(object, `it has ${found.bytes} bytes`)
  return place.read(object)
}

/** Answers false when the name is taken by another object. */
async function create(place: VaultPlace, object: string, bytes: Uint8Array): Promise<boolean> {
  try {
    await place.create(object, { bytes })
    return true
  } catch (error) {
    if (isObjectsError(error, 'taken')) return false
    throw error
  }
}
