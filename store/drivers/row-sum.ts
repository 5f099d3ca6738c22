/**
 * Checksums of rows. They tell a value that a failing disk or a stray write has changed. They are no defence against
 * somebody who may write the file: such a one can compute them too.
 */

import { crc32 } from 'node:zlib'

/** The checksum of a row's values: CRC-32 of them as JSON, then of its data. */
export function sumOf(values: readonly (string | number | boolean | null)[], data?: Uint8Array): number {
  const sum = crc32(JSON.stringify(values))
  return data === undefined ? sum : crc32(data, sum)
}
