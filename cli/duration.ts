/** Lengths of time as people write them. */

import { InvalidArgumentError } from 'commander'

/** Milliseconds, keyed by the letter of the unit. */
const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const longestMs = 100 * 365 * 86_400_000

/** A time such as `90s`, `12h`, `30d` or `2w`, in milliseconds; at most a hundred years. Wrong usage otherwise. */
export function parseDuration(text: string): number {
  const [, digits, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? []
  const ms = Number(digits) * (units[unit ?? ''] ?? Number.NaN)
  if (ms >= 0 && ms <= longestMs) return ms
  throw new InvalidArgumentError('expected a number and s, m, h, d or w, such as 12h or 30d.')
}
