/**
 * Bytes of a WebAssembly module, read strictly (https://webassembly.github.io/spec/core/binary/values.html). Every read
 * has an end that it cannot pass, and an error tells the offset and the section.
 */

import { GroveError } from '../../core/errors.ts'
import { toPlainText } from '../../core/plain-text.ts'

/** Reads from a part of a module. */
export interface Reader {
  /** From the start of the module. */
  readonly offset: number
  readonly end: number
  /** One byte. */
  byte(): number
  /** LEB128, unsigned, 32 bits: at most 5 bytes, no bits beyond. More bytes than needed are valid. */
  u32(): number
  /** The same, with a bound that is told in the error: `what` is a noun in the plural. */
  count(most: number, what: string): number
  /** LEB128, signed, of 33 or 64 bits; only its form is checked and the low 32 bits are answered. */
  signed(bits: 32 | 33 | 64): number
  /** LEB128, unsigned, 64 bits; only its form is checked. */
  u64(): void
  /** A name: UTF-8, at most `mostBytes`. */
  name(mostBytes: number): string
  skip(bytes: number): void
  /** The next bytes as a reader of their own; this one goes on after them. */
  part(bytes: number, what: string): Reader
  /** Throws unless everything was read. */
  finish(): void
  /** An error at the offset of `at`, by default the present one. */
  fault(message: string, at?: number): GroveError
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A reader of all of a module, or of a part of it. `what` names the part in errors: `section memory`. */
export function createReader(bytes: Uint8Array, start = 0, end = bytes.length, what = 'module'): Reader {
  let offset = start

  const fault = (message: string, at = offset): GroveError =>
    new GroveError('ERR_CODE', `${what}, offset ${at}: ${toPlainText(message)}`, {
      details: { offset: at, part: what },
    })

  const byte = (): number => {
    if (offset >= end) throw fault('it ends too early')
    return bytes[offset++] as number
  }

  /** Reads the groups of 7 bits of a number of so many bits, and answers its low 32 bits, sign and all. */
  const leb = (bits: number, isSigned: boolean): number => {
    const at = offset
    const mostBytes = Math.ceil(bits / 7)
    let value = 0
    for (let index = 0; ; index += 1) {
      const group = byte()
      if (index * 7 < 32) value |= (group & 0x7f) << (index * 7)
      if (index === mostBytes - 1) {
        if (group & 0x80) throw fault(`a number of more than ${mostBytes} bytes`, at)
        if (!isLastGroup(group, bits - index * 7, isSigned)) throw fault(`a number of more than ${bits} bits`, at)
      }
      if (group & 0x80) continue
      const width = (index + 1) * 7
      if (isSigned && width < 32 && group & 0x40) value |= -1 << width
      return value
    }
  }

  const u32 = (): number => leb(32, false) >>> 0

  const reader: Reader = {
    get offset() {
      return offset
    },
    end,
    byte,
    u32,
    count(most, kind) {
      const at = offset
      const count = u32()
      if (count > most) throw fault(`${count} ${kind}, more than ${most}`, at)
      return count
    },
    signed: (bits) => leb(bits, true),
    u64: () => void leb(64, false),
    name(mostBytes) {
      const at = offset
      const length = u32()
      if (length > mostBytes) throw fault(`a name of ${length} bytes, more than ${mostBytes}`, at)
      if (length > end - offset) throw fault('a name ends too early', at)
      const text = bytes.subarray(offset, offset + length)
      offset += length
      try {
        return decoder.decode(text)
      } catch {
        throw fault('a name is not UTF-8', at)
      }
    },
    skip(length) {
      if (length > end - offset) throw fault('it ends too early')
      offset += length
    },
    part(length, name) {
      if (length > end - offset) throw fault(`${name} of ${length} bytes ends too early`)
      offset += length
      return createReader(bytes, offset - length, offset, name)
    },
    finish() {
      if (offset !== end) throw fault(`${end - offset} bytes too many`)
    },
    fault,
  }
  return reader
}

/** Whether the last group of a number has no bits beyond `bits` of it, other than copies of the sign. */
function isLastGroup(group: number, bits: number, isSigned: boolean): boolean {
  if (!isSigned) return group >> bits === 0
  const rest = (group & 0x7f) >> (bits - 1)
  return rest === 0 || rest === 0x7f >> (bits - 1)
}
