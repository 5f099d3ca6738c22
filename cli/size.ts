/** Sizes as people write them. */

import { InvalidArgumentError } from 'commander'

/** Bytes, keyed by the unit in lower case: decimal ones, and those with an i as powers of 1,024. */
const units: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1_000,
  mb: 1_000_000,
  gb: 1_000_000_000,
  tb: 1_000_000_000_000,
  kib: 1_024,
  mib: 1_048_576,
  gib: 1_073_741_824,
  tib: 1_099_511_627_776,
}

/** A size such as `500kB`, `1.5GB`, `64MiB` or `1000` (bytes), in bytes, whole. Wrong usage otherwise. */
export function parseSize(text: string): number {
  const [, digits, unit] = /^(\d{1,12}(?:\.\d{1,3})?) ?([a-z]{0,3})$/i.exec(text) ?? []
  const bytes = Math.round(Number(digits) * (units[unit === '' ? 'b' : (unit ?? '').toLowerCase()] ?? Number.NaN))
  if (Number.isSafeInteger(bytes)) return bytes
  throw new InvalidArgumentError('expected a number and B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, such as 1GB.')
}
