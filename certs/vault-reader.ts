/** Reading records while others write them, and when they are damaged. */

import type { Logger } from 'pino'
import { type GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Copies } from './vault-copies.ts'
import { readObject, revisionsOf } from './vault-objects.ts'
import type { VaultPlace } from './vault-place.ts'
import { decodeRecord, isDamagedRecord, objectOf, type RecordSeal, type Revision, raced } from './vault-record.ts'

/** What is found of a key. */
export interface FoundRecord {
  /** Of the newest record, whole or not. */
  readonly number: number
  /** Of the newest that is whole; undefined when none is. */
  readonly text: string | undefined
  /** What is wrong with the newest record; undefined when it is whole. */
  readonly fault: GroveError | undefined
}

/** Where is read, and how. */
export interface ReaderOptions {
  readonly place: VaultPlace
  readonly seal: RecordSeal
  /** Copies of what lies in the place, to be read in its stead. */
  readonly copies?: Copies | undefined
  readonly log: Logger
}

/**
 * The newest record of a key; undefined when there is none or it was removed. `listed`: its number as a list has just
 * told it; nothing is looked for then, unless that record is gone or damaged.
 */
export async function findRecord(
  options: ReaderOptions,
  key: string,
  listed?: number,
): Promise<FoundRecord | undefined> {
  if (listed !== undefined) {
    const text = await readText(options, key, listed).catch((error: unknown) => {
      if (!isGroveError(error, 'ERR_NOT_FOUND') && !isDamagedRecord(error)) throw error
      return undefined
    })
    if (text !== undefined) return { number: listed, text, fault: undefined }
  }
  for (let attempt = 0; attempt < limits.cert.recordTries; attempt += 1) {
    const revisions = await revisionsOf(options.place, key)
    const [newest] = revisions
    if (!newest || newest.isGone) {
      await options.copies?.drop(key)
      return undefined
    }
    const found = await readNewestWhole(options, key, revisions)
    if (found) return { number: newest.number, ...found }
  }
  throw raced(key, 'it changes faster than it can be read')
}

/** Undefined when one was removed meanwhile: then there is a newer one. */
async function readNewestWhole(
  options: ReaderOptions,
  key: string,
  revisions: readonly Revision[],
): Promise<Pick<FoundRecord, 'text' | 'fault'> | undefined> {
  let fault: GroveError | undefined
  for (const { number, isGone } of revisions) {
    if (isGone) break
    try {
      return { text: await readText(options, key, number), fault }
    } catch (error) {
      if (isGroveError(error, 'ERR_NOT_FOUND')) return undefined
      if (!isDamagedRecord(error)) throw error
      options.log.error({ err: error, key }, 'a record of the vault is damaged; the one before is used if it is whole')
      fault ??= error
    }
  }
  return { text: undefined, fault }
}

async function readText({ place, seal, copies }: ReaderOptions, key: string, number: number): Promise<string> {
  const copy = await copies?.read(key, number)
  if (copy !== undefined) return copy
  const bytes = await readObject(place, objectOf(key, { number, isGone: false }))
  const text = decodeRecord(bytes, key, number, seal)
  await copies?.keep(key, number, bytes)
  return text
}
