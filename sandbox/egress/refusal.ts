/** Fetches that are not made. */

import { GroveError } from '../../core/errors.ts'

/** An error of a fetch that was not made, for the site's author. */
export function refused(message: string): GroveError {
  return new GroveError('ERR_FETCH_REFUSED', message)
}
