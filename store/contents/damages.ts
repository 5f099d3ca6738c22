/**
 * Damages that were met: what is damaged in one place is looked for in another, and counts as missing where there is
 * none, so that it can be sent again. A damage may pass (a bucket on a bad day), so a note holds for a while only, and
 * whoever finds nothing else tries the damaged place again.
 */

import { isGroveError } from '../../core/errors.ts'
import type { BlobHash } from '../../core/names.ts'
import type { Environment } from '../environment.ts'

/** Damages of one site's objects. */
export interface Damages {
  /** Notes that an object, or one content of it, could not be read. */
  note(object: BlobHash, content?: BlobHash): void
  /** Whether that was noted a short while ago. */
  isFresh(object: BlobHash, content?: BlobHash): boolean
  /** Whether anything of an object was found damaged, and has not been read since. */
  isDamaged(object: BlobHash): boolean
  /** Notes that it could be read. */
  clear(object: BlobHash, content?: BlobHash): void
}

/** How long a damaged place is not looked at, in milliseconds. */
const freshMs = 60_000

/** Most damaged contents that are noted. */
const mostNoted = 10_000

/** Notes of nothing. */
export function createDamages(env: Environment): Damages {
  /** Keyed by object, then by content (or `''` for the object itself): when it was noted. */
  const noted = new Map<BlobHash, Map<BlobHash, number>>()
  let count = 0
  return {
    note(object, content = '') {
      if (count >= mostNoted) {
        noted.clear()
        count = 0
      }
      count += 1
      const contents = noted.get(object) ?? new Map<BlobHash, number>()
      contents.set(content, env.monotonic())
      noted.set(object, contents)
    },
    isFresh(object, content = '') {
      const atMs = noted.get(object)?.get(content)
      return atMs !== undefined && env.monotonic() - atMs < freshMs
    },
    isDamaged: (object) => noted.has(object),
    clear(object, content = '') {
      const contents = noted.get(object)
      if (contents?.delete(content) && contents.size === 0) noted.delete(object)
    },
  }
}

/** Whether an error says that stored bytes are gone or are not what they were. */
export function isDamage(error: unknown): boolean {
  return isGroveError(error, 'ERR_BLOB_CORRUPT') || isGroveError(error, 'ERR_BLOB_MISSING')
}
