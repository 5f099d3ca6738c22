/** Whether a bucket can be trusted with create-only writes: found out at the start, before anything depends on it. */

import type { GroveError } from '../../core/errors.ts'
import type { Environment } from '../environment.ts'
import { isObjectsError, objectsError } from './object-errors.ts'
import type { Objects } from './objects.ts'

const hint =
  'use a bucket of a server that honours If-None-Match: * on PUT (Amazon S3, Cloudflare R2, MinIO, Ceph …), with no proxy before it that takes the header away'

/**
 * Creates one key twice at once and then once more, each time with other bytes, and removes it. Rejects with
 * `ERR_OBJECTS` (`unconditional`) when more than one of them was accepted, or something else is read than what was: two
 * stores would then both believe that they are in charge. Rejects as {@link Objects.create} does when the bucket cannot
 * be used at all.
 */
export async function probeObjects(objects: Objects, env: Environment): Promise<void> {
  const key = `probe/${env.randomBytes(16).toString('hex')}`
  // Of different lengths, so that who comes second sees by a HEAD alone that the key is taken.
  const [one, other, third] = [1, 2, 3].map((bytes) => env.randomBytes(bytes))
  const attempt = async (bytes: Uint8Array = new Uint8Array()) => {
    try {
      await objects.create(key, { bytes })
      return bytes
    } catch (error) {
      if (isObjectsError(error, 'taken')) return undefined
      throw error
    }
  }
  try {
    const racers = await settled([attempt(one), attempt(other)])
    const winners = [...racers, await attempt(third)].filter((bytes) => bytes !== undefined)
    const found = await objects.read(key)
    const [winner, second] = winners
    if (winner === undefined || second !== undefined || !found.equals(winner))
      throw unconditional(objects, winners.length)
  } finally {
    await objects.remove([key]).catch(() => {}) // It holds nothing, and the error of the probe tells more.
  }
}

/** All of them, also those that come after one that failed: nothing may be written once the key is removed. */
async function settled<Value>(work: readonly Promise<Value>[]): Promise<Value[]> {
  await Promise.allSettled(work)
  return Promise.all(work)
}

function unconditional(objects: Objects, accepted: number): GroveError {
  const message = `${objects.name} cannot be used: of three writers that created one object, ${accepted} were told that they did, and one must be`
  return objectsError(message, { reason: 'unconditional', hint, details: { accepted } })
}
