/** Copies of a bucket's records in the folder. They save requests, and nothing is lost with them. */

import type { Logger } from 'pino'
import { isGroveError } from '../core/errors.ts'
import { readObject, revisionsOf } from './vault-objects.ts'
import type { VaultPlace } from './vault-place.ts'
import { decodeRecord, objectOf, type RecordSeal } from './vault-record.ts'

/** Copies of records. No call rejects. */
export interface Copies {
  /** The text of a copy; undefined when there is none that can be used. */
  read(key: string, number: number): Promise<string | undefined>
  /** Keeps the object of a record, in place of all copies of the key. */
  keep(key: string, number: number, bytes: Buffer): Promise<void>
  /** Removes all copies of a key. */
  drop(key: string): Promise<void>
}

/** The copies in a folder. */
export function createCopies(near: VaultPlace, seal: RecordSeal, log: Logger): Copies {
  return {
    async read(key, number) {
      try {
        return decodeRecord(await readObject(near, objectOf(key, { number, isGone: false })), key, number, seal)
      } catch (error) {
        if (!isGroveError(error, 'ERR_NOT_FOUND'))
          log.warn({ err: error, key }, 'the copy of a record cannot be used; the bucket is asked')
        return undefined
      }
    },
    async keep(key, number, bytes) {
      try {
        await near.replace(objectOf(key, { number, isGone: false }), bytes)
        const others = (await revisionsOf(near, key)).filter((one) => one.number !== number || one.isGone)
        await near.remove(others.map((one) => objectOf(key, one)))
      } catch (error) {
        // A disk that is full takes away the copy, not the record.
        log.warn({ err: error, key }, 'a record cannot be kept in the folder of the vault; it lies in the bucket')
      }
    },
    async drop(key) {
      try {
        await near.remove((await revisionsOf(near, key)).map((one) => objectOf(key, one)))
      } catch (error) {
        log.warn({ err: error, key }, 'the copy of a removed record cannot be removed')
      }
    },
  }
}
