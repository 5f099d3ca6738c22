/**
 * Types in a module: what has to be read to know where they end. Whether they fit together is V8's to say, which
 * validates the whole module afterwards.
 */

import { limits } from '../../core/limits.ts'
import type { Reader } from './reader.ts'

/** How large a memory or a table is. In pages, or entries. */
export interface SizeLimits {
  readonly initial: number
  readonly maximum: number | undefined
}

const bounds = limits.wasm

/** Reads a value type: a number, a vector, or a reference. */
export function readValueType(reader: Reader): void {
  const at = reader.offset
  readStorageType(reader, reader.byte(), at)
}

/** Reads a type of a field: a value type or one of the packed ones, and whether it changes. */
function readFieldType(reader: Reader): void {
  const at = reader.offset
  const byte = reader.byte()
  const isPacked = byte === 0x78 || byte === 0x77 // i8, i16
  if (!isPacked) readStorageType(reader, byte, at)
  if (reader.byte() > 1) throw reader.fault('a field is neither constant nor variable', reader.offset - 1)
}

function readStorageType(reader: Reader, byte: number, at: number): void {
  if (byte >= 0x7b && byte <= 0x7f) return // v128, f64, f32, i64, i32
  if (byte >= 0x68 && byte <= 0x75) return // A reference to an abstract heap type, or null.
  // A reference to a heap type that follows: the index of a type, or an abstract one.
  if (byte === 0x63 || byte === 0x64) reader.signed(33)
  else throw reader.fault(`0x${byte.toString(16)} is no type of a value`, at)
}

/** Reads the section of types and answers how many there are, those in groups counted one by one. */
export function readTypes(reader: Reader): number {
  const groups = reader.count(bounds.types, 'types')
  let types = 0
  for (let i = 0; i < groups; i += 1) {
    types += readGroup(reader)
    if (types > bounds.types) throw reader.fault(`more than ${bounds.types} types`)
  }
  return types
}

/** Reads one type, or several that refer to each other, and answers how many. */
function readGroup(reader: Reader): number {
  const first = reader.byte()
  if (first !== 0x4e) {
    readSubType(reader, first)
    return 1
  }
  const members = reader.count(bounds.types, 'types of one group')
  for (let i = 0; i < members; i += 1) readSubType(reader, reader.byte())
  return members
}

function readSubType(reader: Reader, first: number): void {
  const hasSupertypes = first === 0x50 || first === 0x4f
  if (hasSupertypes) {
    const supertypes = reader.count(1, 'supertypes')
    for (let i = 0; i < supertypes; i += 1) reader.u32()
  }
  readCompositeType(reader, hasSupertypes ? reader.byte() : first)
}

function readCompositeType(reader: Reader, form: number): void {
  const at = reader.offset - 1
  if (form === 0x60) {
    for (const what of ['parameters', 'results']) {
      const count = reader.count(bounds.parameters, what)
      for (let i = 0; i < count; i += 1) readValueType(reader)
    }
  } else if (form === 0x5f) {
    const count = reader.count(bounds.fields, 'fields')
    for (let i = 0; i < count; i += 1) readFieldType(reader)
  } else if (form === 0x5e) readFieldType(reader)
  else throw reader.fault(`0x${form.toString(16)} is no form of a type`, at)
}

/** Reads the limits of a memory or a table. `what` is `memory` or `table`. Shared ones and 64-bit ones are refused. */
export function readSizeLimits(reader: Reader, what: string): SizeLimits {
  const at = reader.offset
  const flags = reader.byte()
  if (flags & 2) throw reader.fault(`a shared ${what}, and nothing is shared here`, at)
  if (flags & 4) throw reader.fault(`a ${what} with addresses of 64 bits`, at)
  if (flags > 1) throw reader.fault(`limits of a ${what} of a kind that is not known (0x${flags.toString(16)})`, at)
  const initial = reader.u32()
  const maximum = flags & 1 ? reader.u32() : undefined
  if (maximum !== undefined && maximum < initial) throw reader.fault(`a ${what} whose maximum is below its minimum`, at)
  return { initial, maximum }
}

/** Reads the type of a table. `firstByte`: its first byte, if that was read before. */
export function readTableType(reader: Reader, firstByte?: number): SizeLimits {
  if (firstByte === undefined) readValueType(reader)
  else readStorageType(reader, firstByte, reader.offset - 1)
  return readSizeLimits(reader, 'table')
}

/** Reads the type of a global. */
export function readGlobalType(reader: Reader): void {
  readValueType(reader)
  if (reader.byte() > 1) throw reader.fault('a global is neither constant nor variable', reader.offset - 1)
}

/** Reads the type of a tag (an exception). */
export function readTagType(reader: Reader): void {
  if (reader.byte() !== 0) throw reader.fault('a tag of a kind that is not known', reader.offset - 1)
  reader.u32()
}
