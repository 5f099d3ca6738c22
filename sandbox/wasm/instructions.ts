/**
 * Instructions, as far as is needed to know where each one ends and how deep blocks lie in each other
 * (https://webassembly.github.io/spec/core/binary/instructions.html, version 3, and the older exceptions that V8 takes).
 *
 * V8 validates the code; but it takes any depth, at about a hundred bytes of its own memory for each byte of the module,
 * and any number of targets. What is not known here is refused: a proposal can wait for a version of Grove that knows it.
 */

import { limits } from '../../core/limits.ts'
import type { Reader } from './reader.ts'
import { readValueType } from './types.ts'

const bounds = limits.wasm

/** What follows an opcode, a letter for each: `i` an index, `m` memory alignment and offset, `b` one byte, … */
type Immediates = string

/** Reads instructions to the `end` of the outermost block, and answers how deep blocks were. */
export function readExpression(reader: Reader): number {
  let depth = 0
  let deepest = 0
  for (;;) {
    const at = reader.offset
    const opcode = reader.byte()
    if (opcode === 0x0b || opcode === 0x18) {
      // `delegate` of the older exceptions ends its block as `end` does.
      if (opcode === 0x18) reader.u32()
      if (depth === 0) {
        if (opcode === 0x18) throw reader.fault('delegate outside of a block', at)
        return deepest
      }
      depth -= 1
      continue
    }
    if (isBlock(opcode)) {
      depth += 1
      if (depth > bounds.nesting) throw reader.fault(`blocks within blocks deeper than ${bounds.nesting}`, at)
      if (depth > deepest) deepest = depth
    }
    const immediates = immediatesOf(reader, opcode, at)
    for (let i = 0; i < immediates.length; i += 1) readImmediate(reader, immediates.charCodeAt(i))
  }
}

function isBlock(opcode: number): boolean {
  return (opcode >= 0x02 && opcode <= 0x04) || opcode === 0x06 || opcode === 0x1f
}

function immediatesOf(reader: Reader, opcode: number, at: number): Immediates {
  const table = prefixed[opcode]
  const code = table === undefined ? opcode : reader.u32()
  const immediates = (table ?? plain)[code]
  if (immediates !== undefined) return immediates
  const name = table === undefined ? hex(opcode) : `${hex(opcode)} ${code}`
  throw reader.fault(
    opcode === 0xfe ? `the instruction ${name} is for shared memory` : `the instruction ${name} is not known`,
    at,
  )
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`
}

/** Codes of the letters in {@link Immediates}. */
const letters = {
  block: 'k'.charCodeAt(0),
  byte: 'b'.charCodeAt(0),
  bytes16: 'v'.charCodeAt(0),
  catches: 'c'.charCodeAt(0),
  f32: '4'.charCodeAt(0),
  f64: '8'.charCodeAt(0),
  heapType: 'h'.charCodeAt(0),
  i32: 's'.charCodeAt(0),
  i64: 'l'.charCodeAt(0),
  index: 'i'.charCodeAt(0),
  labels: 't'.charCodeAt(0),
  memory: 'm'.charCodeAt(0),
  types: 'y'.charCodeAt(0),
} as const

function readImmediate(reader: Reader, letter: number): void {
  switch (letter) {
    case letters.index:
      reader.u32()
      return
    case letters.memory:
      // Bit 6 says that the index of a memory follows; the offset may have 64 bits.
      if (reader.u32() & 0x40) reader.u32()
      reader.u64()
      return
    case letters.i32:
      reader.signed(32)
      return
    case letters.i64:
      reader.signed(64)
      return
    case letters.block:
      readBlockType(reader)
      return
    case letters.heapType:
      reader.signed(33)
      return
    case letters.byte:
      reader.skip(1)
      return
    case letters.f32:
      reader.skip(4)
      return
    case letters.f64:
      reader.skip(8)
      return
    case letters.bytes16:
      reader.skip(16)
      return
    case letters.labels: {
      const count = reader.count(bounds.branchTargets, 'targets of one branch')
      for (let i = 0; i <= count; i += 1) reader.u32()
      return
    }
    case letters.types: {
      const count = reader.count(bounds.parameters, 'types of one instruction')
      for (let i = 0; i < count; i += 1) readValueType(reader)
      return
    }
    default:
      readCatches(reader)
  }
}

/** Nothing (0x40), a value type, or the index of a function type as a signed number of 33 bits. */
function readBlockType(reader: Reader): void {
  const at = reader.offset
  const value = reader.signed(33)
  // The one-byte forms are the negative numbers of one byte; those that take a heap type go on with it.
  if (reader.offset === at + 1 && (value === -0x1d || value === -0x1c)) reader.signed(33)
}

/** The clauses of `try_table`. */
function readCatches(reader: Reader): void {
  const count = reader.count(bounds.branchTargets, 'catches')
  for (let i = 0; i < count; i += 1) {
    const kind = reader.byte()
    if (kind > 3) throw reader.fault('a catch of a kind that is not known', reader.offset - 1)
    if (kind < 2) reader.u32()
    reader.u32()
  }
}

/** Sets the same immediates for codes `from` to `to`. */
function fill(table: Record<number, Immediates>, from: number, to: number, immediates: Immediates): void {
  for (let code = from; code <= to; code += 1) table[code] = immediates
}

/** Keyed by opcode; `end` (0x0b), `delegate` (0x18) and the prefixes are read elsewhere. */
const plain: Record<number, Immediates> = {}
fill(plain, 0x00, 0x01, '') // unreachable, nop
fill(plain, 0x02, 0x04, 'k') // block, loop, if
plain[0x05] = '' // else
plain[0x06] = 'k' // try
fill(plain, 0x07, 0x09, 'i') // catch, throw, rethrow
plain[0x0a] = '' // throw_ref
fill(plain, 0x0c, 0x0d, 'i') // br, br_if
plain[0x0e] = 't' // br_table
plain[0x0f] = '' // return
plain[0x10] = 'i' // call
plain[0x11] = 'ii' // call_indirect
plain[0x12] = 'i' // return_call
plain[0x13] = 'ii' // return_call_indirect
fill(plain, 0x14, 0x15, 'i') // call_ref, return_call_ref
plain[0x19] = '' // catch_all
fill(plain, 0x1a, 0x1b, '') // drop, select
plain[0x1c] = 'y' // select with types
plain[0x1f] = 'kc' // try_table
fill(plain, 0x20, 0x26, 'i') // local.*, global.*, table.get, table.set
fill(plain, 0x28, 0x3e, 'm') // loads and stores
fill(plain, 0x3f, 0x40, 'i') // memory.size, memory.grow
plain[0x41] = 's'
plain[0x42] = 'l'
plain[0x43] = '4'
plain[0x44] = '8'
fill(plain, 0x45, 0xc4, '') // numbers
plain[0xd0] = 'h' // ref.null
plain[0xd1] = '' // ref.is_null
plain[0xd2] = 'i' // ref.func
plain[0xd3] = '' // ref.eq
plain[0xd4] = '' // ref.as_non_null
fill(plain, 0xd5, 0xd6, 'i') // br_on_null, br_on_non_null

/** Garbage-collected objects. */
const objects: Record<number, Immediates> = {}
fill(objects, 0, 1, 'i') // struct.new, struct.new_default
fill(objects, 2, 5, 'ii') // struct.get*, struct.set
fill(objects, 6, 7, 'i') // array.new, array.new_default
fill(objects, 8, 10, 'ii') // array.new_fixed, _data, _elem
fill(objects, 11, 14, 'i') // array.get*, array.set
objects[15] = '' // array.len
objects[16] = 'i' // array.fill
fill(objects, 17, 19, 'ii') // array.copy, array.init_data, array.init_elem
fill(objects, 20, 23, 'h') // ref.test, ref.cast
fill(objects, 24, 25, 'bihh') // br_on_cast, br_on_cast_fail
fill(objects, 26, 30, '') // any.convert_extern, extern.convert_any, ref.i31, i31.get_*

/** Saturating numbers, bulk memory, tables, wide arithmetic. */
const bulk: Record<number, Immediates> = {}
fill(bulk, 0, 7, '')
bulk[8] = 'ii' // memory.init
bulk[9] = 'i' // data.drop
bulk[10] = 'ii' // memory.copy
bulk[11] = 'i' // memory.fill
bulk[12] = 'ii' // table.init
bulk[13] = 'i' // elem.drop
bulk[14] = 'ii' // table.copy
fill(bulk, 15, 17, 'i') // table.grow, table.size, table.fill
fill(bulk, 19, 22, '') // i64.add128 and others

/** Vectors. */
const vectors: Record<number, Immediates> = {}
fill(vectors, 0, 11, 'm') // loads and a store
fill(vectors, 12, 13, 'v') // v128.const, i8x16.shuffle
fill(vectors, 14, 20, '') // i8x16.swizzle, splats
fill(vectors, 21, 34, 'b') // lanes
fill(vectors, 35, 83, '')
fill(vectors, 84, 91, 'mb') // loads and stores of lanes
fill(vectors, 92, 93, 'm') // v128.load32_zero, v128.load64_zero
fill(vectors, 94, 275, '') // and the relaxed ones

/** Keyed by prefix. Those of shared memory (0xfe) have none that may be used. */
const prefixed: Readonly<Record<number, Readonly<Record<number, Immediates>>>> = {
  251: objects,
  252: bulk,
  253: vectors,
  254: {},
}
