/** Objects of records in one place: which there are of a key, reading one, and making one that nobody else has made. */

import { isGroveError } from '../core/errors.ts'
import { isObjectsError } from '../store/objects/object-errors.ts'
import type { VaultPlace } from './vault-place.ts'
import { byAge, damaged, mostObjectBytes, objectsOf, parseObject, type Revision } from './vault-record.ts'

/** All revisions of a key, newest first. */
export async function revisionsOf(place: VaultPlace, key: string): Promise<Revision[]> {
  const revisions: Revision[] = []
  for await (const { key: object } of place.keys(objectsOf(key))) {
    const revision = parseObject(object)
    if (revision?.key === key) revisions.push(revision)
  }
  return revisions.sort(byAge)
}

/** The number of the newest record; 0 when there is none or it was removed. */
export function currentOf([newest]: readonly Revision[]): number {
  return newest && !newest.isGone ? newest.number : 0
}

/** The bytes of an object. Throws `ERR_NOT_FOUND`, and `ERR_CERT` for one that is too long for a record. */
export async function readObject(place: VaultPlace, object: string): Promise<Buffer> {
  const bytes = await place.read(object).catch((error: unknown) => {
    throw isGroveError(error, 'ERR_TOO_LARGE') ? damaged(object, 'it is too long', error) : error
  })
  if (bytes.length > mostObjectBytes) throw damaged(object, `it has ${bytes.length} bytes`)
  return bytes
}

/** Makes an object. Answers false when the name is taken by another one. */
export async function createObject(place: VaultPlace, object: string, bytes: Uint8Array): Promise<boolean> {
  try {
    await place.create(object, { bytes })
    return true
  } catch (error) {
    if (isObjectsError(error, 'taken')) return false
    throw error
  }
}
