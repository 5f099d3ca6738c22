/**
 * Arguments and results of `subtle` on their way over the bridge. What a site gives is read once, in the order of its members,
 * into plain values with bytes and keys among them; these are then written as the bridge wants them.
 */

import type { SubtleAnswer, SubtleKey } from '../bridge-shapes.ts'
import { bytesOf, isObject, toDOMString, toInteger, toSequence } from './convert.ts'
import { type CryptoKey, createKey, type KeyImport, type KeyState, keyStateOf } from './crypto-key.ts'
import { arrays, buffers, bytes, defineValue, objects } from './primordials.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** Members of all algorithm dictionaries (sections 20 to 32 and RFC-based additions), in the order of Web IDL, and what they are. */
const algorithmMembers = [
  ['additionalData', 'bytes'],
  ['context', 'bytes'],
  ['counter', 'bytes'],
  ['hash', 'algorithm'],
  ['info', 'bytes'],
  ['iterations', 'integer'],
  ['iv', 'bytes'],
  ['label', 'bytes'],
  ['length', 'integer'],
  ['modulusLength', 'integer'],
  ['namedCurve', 'text'],
  ['public', 'key'],
  ['publicExponent', 'bytes'],
  ['salt', 'bytes'],
  ['saltLength', 'integer'],
  ['tagLength', 'integer'],
] as const

/** An algorithm: its name, or a dictionary with one. Throws a TypeError for anything else. */
export function readAlgorithm(value: unknown): unknown {
  if (!isObject(value)) return toDOMString(value)
  const given = value as Readonly<Record<string, unknown>>
  const { name } = given
  if (name === undefined) throw new TypeError('an algorithm has no name')
  const read = objects.create(null) as Record<string, unknown>
  read['name'] = toDOMString(name)
  for (let index = 0; index < algorithmMembers.length; index++) {
    const { 0: key, 1: kind } = algorithmMembers[index] as (typeof algorithmMembers)[number]
    const member = given[key]
    if (member !== undefined) read[key] = readMember(key, kind, member)
  }
  return read
}

function readMember(key: string, kind: (typeof algorithmMembers)[number][1], value: unknown): unknown {
  switch (kind) {
    case 'bytes':
      return readBytes(value, key)
    case 'integer':
      return toInteger(value, 32, false, 'enforce')
    case 'text':
      return toDOMString(value)
    case 'key':
      return readKey(value, key)
    default:
      return readAlgorithm(value)
  }
}

/** The name of an algorithm that was read. */
export function nameOf(algorithm: unknown): string {
  return typeof algorithm === 'string' ? algorithm : ((algorithm as { readonly name: string }).name ?? '')
}

/** A copy of a BufferSource. */
export function readBytes(value: unknown, what: string): Bytes {
  return new bytes.Array(bytesOf(value, what))
}

/** A CryptoKey. Throws a TypeError for anything else. */
export function readKey(value: unknown, what: string): KeyState {
  const state = keyStateOf(value)
  if (state === undefined) throw new TypeError(`${what} is not a CryptoKey`)
  return state
}

/** A sequence of usages. */
export function readUsages(value: unknown): string[] {
  return toSequence(value, toDOMString, 'the list of usages')
}

const jwkTexts = ['alg', 'crv', 'd', 'dp', 'dq', 'e', 'k', 'kty', 'n', 'p', 'q', 'qi', 'use', 'x', 'y'] as const

/** A JsonWebKey (section 15): its members, and nothing else of the object. Throws a TypeError for what is no object. */
export function readJwk(value: unknown): object {
  if (!isObject(value)) throw new TypeError('a key in the format jwk is not an object')
  const given = value as Readonly<Record<string, unknown>>
  const read = objects.create(null) as Record<string, unknown>
  for (let index = 0; index < jwkTexts.length; index++) {
    const key = jwkTexts[index] as string
    const member = given[key]
    if (member !== undefined) read[key] = toDOMString(member)
  }
  const { ext, key_ops: operations } = given
  if (ext !== undefined) read['ext'] = !!ext
  if (operations !== undefined) read['key_ops'] = readUsages(operations)
  return read
}

/** What goes over the bridge: arguments as JSON can have them, and the bytes that they speak of. */
export interface Written {
  readonly args: readonly unknown[]
  readonly parts: readonly number[]
  readonly bytes: Bytes | undefined
  readonly keys: readonly KeyState[]
}

/** Writes what was read. */
export function writeArguments(values: readonly unknown[]): Written {
  const pieces: Bytes[] = []
  const keys: KeyState[] = []
  const args = writeList(values, pieces, keys)
  const parts: number[] = []
  let total = 0
  for (let index = 0; index < pieces.length; index++) {
    const size = bytes.byteLength(pieces[index] as Bytes)
    arrays.push(parts, size)
    total += size
  }
  return { args, parts, bytes: join(pieces, total), keys }
}

function join(pieces: readonly Bytes[], total: number): Bytes | undefined {
  if (pieces.length < 2) return pieces[0]
  const joined = new bytes.Array(total)
  let at = 0
  for (let index = 0; index < pieces.length; index++) {
    bytes.set(joined, pieces[index] as Bytes, at)
    at += bytes.byteLength(pieces[index] as Bytes)
  }
  return joined
}

function writeList(values: readonly unknown[], pieces: Bytes[], keys: KeyState[]): unknown[] {
  const list: unknown[] = []
  for (let index = 0; index < values.length; index++) arrays.push(list, writeValue(values[index], pieces, keys))
  return list
}

function writeValue(value: unknown, pieces: Bytes[], keys: KeyState[]): unknown {
  if (value === undefined) return null
  if (typeof value !== 'object' || value === null) return value
  if (bytes.isView(value)) return { $bytes: arrays.push(pieces, value as Bytes) - 1 }
  if (arrays.isArray(value)) return writeList(value, pieces, keys)
  if (objects.hasOwn(value, 'handle')) {
    arrays.push(keys, value as KeyState)
    return { $key: (value as KeyState).handle }
  }
  const written = objects.create(null) as Record<string, unknown>
  const names = objects.keys(value)
  for (let index = 0; index < names.length; index++) {
    const name = names[index] as string
    written[name] = writeValue((value as Record<string, unknown>)[name], pieces, keys)
  }
  return written
}

/** The result of an answer: ArrayBuffers and CryptoKeys in the place of what stands for them. */
export function readResult(answer: SubtleAnswer, content: Bytes, imported: KeyImport | undefined): unknown {
  const pieces: Bytes[] = []
  let at = 0
  for (let index = 0; index < answer.parts.length; index++) {
    const size = answer.parts[index] as number
    arrays.push(pieces, bytes.slice(content, at, at + size))
    at += size
  }
  return readValue(answer.result, pieces, imported)
}

function readValue(value: unknown, pieces: readonly Bytes[], imported: KeyImport | undefined): unknown {
  if (typeof value !== 'object' || value === null || arrays.isArray(value)) return value
  if (objects.hasOwn(value, '$bytes')) return bufferOf(value, pieces)
  if (objects.hasOwn(value, '$key')) return toKey(value as SubtleKey, pieces, imported)
  const names = objects.keys(value)
  const read: Record<string, unknown> = {}
  for (let index = 0; index < names.length; index++) {
    const name = names[index] as string
    const member = readValue((value as Record<string, unknown>)[name], pieces, imported)
    defineValue(read, name, member, true)
  }
  return read
}

function bufferOf(value: object, pieces: readonly Bytes[]): ArrayBuffer {
  const piece = pieces[(value as { readonly $bytes: number }).$bytes]
  return piece === undefined ? new buffers.Array(0) : (bytes.buffer(piece) as ArrayBuffer)
}

function toKey(key: SubtleKey, pieces: readonly Bytes[], imported: KeyImport | undefined): CryptoKey {
  const algorithm = readValue(key.algorithm, pieces, undefined) as Record<string, unknown>
  const exponent = algorithm['publicExponent']
  if (exponent !== undefined) algorithm['publicExponent'] = new bytes.Array(exponent as ArrayBuffer)
  const { $key: handle, type, extractable, usages } = key
  return createKey({ handle, type, extractable, algorithm, usages, imported })
}
