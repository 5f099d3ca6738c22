/** Moments as people write them. */

import { InvalidArgumentError } from 'commander'

const pattern = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)?)?$/

/**
 * A moment in ISO 8601, such as `2027-01-31` or `2027-01-31T18:00:00Z`, in milliseconds since the epoch. A day means its
 * beginning in UTC, a time without a zone is one of this machine's zone. Wrong usage otherwise.
 */
export function parseMoment(text: string): number {
  const ms = pattern.test(text) ? Date.parse(text) : Number.NaN
  if (ms > 0) return ms
  throw new InvalidArgumentError('expected a day or a time in ISO 8601, such as 2027-01-31 or 2027-01-31T18:00:00Z.')
}
