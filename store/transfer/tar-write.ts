/**
 * Writing tar, the ustar form of POSIX.1-1988 (pax, IEEE Std 1003.1, section "ustar Interchange Format"): plain files
 * with short names and nothing else, which every tar of the last thirty years unpacks.
 */

import { strict as assert } from 'node:assert'

/** What a tar file is made of: headers, and content filled up with zeros. */
export const blockBytes = 512

/** The header of a file. `name`: ASCII, at most 100 characters. `bytes`: below 8 GiB. */
export function tarHeader(name: string, bytes: number, atMs: number): Buffer {
  assert(/^[!-~]{1,100}$/.test(name), 'a name fits into a header')
  assert(bytes < 8 ** 11, 'a length fits into a header')
  const header = Buffer.alloc(blockBytes)
  header.write(name, 0, 'latin1')
  header.write('0000644\0', 100, 'latin1')
  header.write('0000000\0', 108, 'latin1')
  header.write('0000000\0', 116, 'latin1')
  header.write(`${octal(bytes, 11)}\0`, 124, 'latin1')
  header.write(`${octal(Math.max(0, Math.floor(atMs / 1_000)), 11)}\0`, 136, 'latin1')
  header.write('0', 156, 'latin1')
  header.write('ustar\x0000', 257, 'latin1')
  header.write(`${octal(checksumOf(header), 6)}\0 `, 148, 'latin1')
  return header
}

/** What follows a file's content, so that the next header begins a block. */
export function tarPadding(bytes: number): Buffer {
  return Buffer.alloc((blockBytes - (bytes % blockBytes)) % blockBytes)
}

/** What stands at the end of a tar file. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * blockBytes)
}

/** The sum of a header's bytes, in which the sum itself counts as spaces. */
export function checksumOf(header: Uint8Array): number {
  let sum = 0
  for (const [place, byte] of header.entries()) sum += place >= 148 && place < 156 ? 0x20 : byte
  return sum
}

function octal(number: number, digits: number): string {
  return number.toString(8).padStart(digits, '0')
}
