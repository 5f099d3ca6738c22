/**
 * The converters of Web IDL: what site code passes becomes what a member works with, with the errors of the standard and in
 * its order (a conversion may run code of the site).
 */

import { arrays, buffers, bytes, maps, numbers, objects, reflect, strings } from './primordials.ts'

/** Throws a TypeError when fewer arguments came than are required. `what` names the member: `URL.canParse`. */
export function requireArguments(given: number, required: number, what: string): void {
  if (given >= required) return
  throw new TypeError(`${what}: ${required} argument${required === 1 ? ' is' : 's are'} required, ${given} given`)
}

/** Throws a TypeError when a callback is not callable. */
export function requireFunction(value: unknown, what: string): void {
  if (typeof value !== 'function') throw new TypeError(`${what}: the callback is not a function`)
}

/** Whether a value is an object in the sense of ECMAScript: functions are, null is not. */
export function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function'
}

/** DOMString. Throws a TypeError for a symbol. */
export function toDOMString(value: unknown): string {
  return typeof value === 'string' ? value : `${value as string}`
}

/** USVString: lone surrogates become U+FFFD. */
export function toUSVString(value: unknown): string {
  return strings.toWellFormed(toDOMString(value))
}

/** ByteString: a TypeError for any code unit above 255. */
export function toByteString(value: unknown): string {
  const text = toDOMString(value)
  for (let index = 0; index < text.length; index++)
    if (strings.charCodeAt(text, index) > 255) throw new TypeError('a byte string cannot hold characters above U+00FF')
  return text
}

/** An enumeration: a TypeError for a value that is none of them. */
export function toEnum<T extends string>(value: unknown, values: readonly T[], what: string): T {
  const text = toDOMString(value)
  if (!arrays.includes(values, text as T))
    throw new TypeError(`${what}: ${text} is none of ${arrays.join(values, ', ')}`)
  return text as T
}

/** How an integer outside of its range is taken: modulo 2 to the power of the bits (the default), clamped, or refused. */
export type IntegerMode = 'wrap' | 'clamp' | 'enforce'

/** An integer of Web IDL (ConvertToInt). `bits` is 8, 16, 32 or 64; of 64, only safe integers are exact. */
export function toInteger(value: unknown, bits: 8 | 16 | 32 | 64, signed: boolean, mode: IntegerMode = 'wrap'): number {
  // Unary plus is ToNumber: it throws for symbols and BigInts, where Number() would take a BigInt.
  const number = +(value as number)
  const upper = bits === 64 ? 2 ** 53 - 1 : 2 ** (signed ? bits - 1 : bits) - 1
  const lower = signed ? (bits === 64 ? -(2 ** 53 - 1) : -(2 ** (bits - 1))) : 0
  if (mode === 'enforce') {
    const whole = numbers.trunc(number)
    if (!numbers.isFinite(number) || whole < lower || whole > upper)
      throw new TypeError(`${number} is not an integer from ${lower} to ${upper}`)
    return whole + 0
  }
  if (numbers.isNaN(number)) return 0
  if (mode === 'clamp') return roundHalfEven(numbers.min(numbers.max(number, lower), upper))
  if (!numbers.isFinite(number)) return 0
  return wrap(numbers.trunc(number), bits, signed)
}

function roundHalfEven(value: number): number {
  const floor = numbers.floor(value)
  const rest = value - floor
  if (rest < 0.5 || (rest === 0.5 && floor % 2 === 0)) return floor + 0
  return floor + 1
}

function wrap(whole: number, bits: number, signed: boolean): number {
  const range = 2 ** bits
  // It has the sign of the number; nothing is added where nothing need be, since not all of 64 bits are exact.
  const value = whole % range
  if (!signed) return value < 0 ? value + range : value + 0
  if (value >= range / 2) return value - range
  return value < -range / 2 ? value + range : value + 0
}

/** unsigned short. */
export const toUnsignedShort = (value: unknown, mode?: IntegerMode) => toInteger(value, 16, false, mode)
/** long. */
export const toLong = (value: unknown, mode?: IntegerMode) => toInteger(value, 32, true, mode)
/** unsigned long. */
export const toUnsignedLong = (value: unknown, mode?: IntegerMode) => toInteger(value, 32, false, mode)
/** long long. */
export const toLongLong = (value: unknown, mode?: IntegerMode) => toInteger(value, 64, true, mode)
/** unsigned long long. */
export const toUnsignedLongLong = (value: unknown, mode?: IntegerMode) => toInteger(value, 64, false, mode)

/** double, or unrestricted double: the former refuses what is not finite. */
export function toDouble(value: unknown, unrestricted = false): number {
  const number = +(value as number)
  if (!unrestricted && !numbers.isFinite(number)) throw new TypeError(`${number} is not a finite number`)
  return number
}

/** A dictionary: null and undefined are an empty one, what is no object is a TypeError. Members are read by the caller. */
export function toDictionary(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (value === undefined || value === null) return emptyDictionary
  if (!isObject(value)) throw new TypeError(`${what} is not an object`)
  return value as Readonly<Record<string, unknown>>
}

const emptyDictionary = objects.freeze(objects.create(null)) as Readonly<Record<string, unknown>>

/** The method that makes a value iterable; undefined when it has none. Throws a TypeError when it is no function. */
export function iteratorMethod(value: object): (() => Iterator<unknown>) | undefined {
  const method = (value as Iterable<unknown>)[Symbol.iterator] as unknown
  if (method === undefined || method === null) return undefined
  if (typeof method !== 'function') throw new TypeError('the iterator of an object is not a function')
  return method as () => Iterator<unknown>
}

/** A sequence: every element of an iterable, converted. A TypeError for what is not iterable. */
export function toSequence<T>(value: unknown, convert: (element: unknown) => T, what: string): T[] {
  const method = isObject(value) ? iteratorMethod(value) : undefined
  if (method === undefined) throw new TypeError(`${what} is not iterable`)
  return fromIterator(value as object, method, convert)
}

/** A sequence by an {@link iteratorMethod} that was already read (Web IDL reads it once to tell sequences from records). */
export function fromIterator<T>(value: object, method: () => unknown, convert: (element: unknown) => T): T[] {
  const iterator = reflect.apply(method, value, [])
  if (!isObject(iterator)) throw new TypeError('an iterator is not an object')
  const { next } = iterator as { next: unknown }
  const list: T[] = []
  for (;;) {
    const step = reflect.apply(next, iterator, [])
    if (!isObject(step)) throw new TypeError('a step of an iterator is not an object')
    if ((step as IteratorResult<unknown>).done) return list
    arrays.push(list, convert((step as IteratorResult<unknown>).value))
  }
}

/** A record: own enumerable properties in order, later keys that convert to the same replace earlier ones. */
export function toRecord<V>(
  value: unknown,
  convertKey: (key: unknown) => string,
  convertValue: (value: unknown) => V,
  what: string,
): [string, V][] {
  if (!isObject(value)) throw new TypeError(`${what} is not an object`)
  const result = new Map<string, V>()
  const keys = reflect.ownKeys(value)
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] as string
    if (!objects.getOwnPropertyDescriptor(value, key)?.enumerable) continue
    const name = convertKey(key)
    maps.set(result, name, convertValue((value as Record<string, unknown>)[key]))
  }
  const list: [string, V][] = []
  maps.forEach(result, (entry, key) => arrays.push(list, [key, entry]))
  return list
}

/** Whether a value is an ArrayBuffer (not shared), by its internal slot. */
export function isArrayBuffer(value: unknown): value is ArrayBuffer {
  if (!isObject(value)) return false
  try {
    buffers.byteLength(value)
    return true
  } catch {
    return false
  }
}

/** Whether a value is a BufferSource: an ArrayBuffer or a view. */
export function isBufferSource(value: unknown): value is ArrayBuffer | ArrayBufferView<ArrayBuffer> {
  return bytes.isView(value) || isArrayBuffer(value)
}

/**
 * The bytes of a BufferSource, not copied: a change of the buffer shows. Those of a detached buffer are none. A TypeError for
 * anything else.
 */
export function bytesOf(value: unknown, what: string): Uint8Array<ArrayBuffer> {
  if (bytes.isView(value)) {
    const isTyped = bytes.tagOf(value) !== undefined
    const buffer = (isTyped ? bytes.buffer(value) : buffers.viewBuffer(value as DataView)) as ArrayBuffer
    if (buffers.detached(buffer)) return new bytes.Array(0)
    if (isTyped) return new bytes.Array(buffer, bytes.byteOffset(value), bytes.byteLength(value))
    return new bytes.Array(buffer, buffers.viewByteOffset(value as DataView), buffers.viewByteLength(value as DataView))
  }
  if (!isArrayBuffer(value)) throw new TypeError(`${what} is not an ArrayBuffer or a view of one`)
  return buffers.detached(value) ? new bytes.Array(0) : new bytes.Array(value)
}

/** The bytes of a BufferSource as a copy of their own. */
export function copyOfBytes(value: unknown, what: string): Uint8Array<ArrayBuffer> {
  return new bytes.Array(bytesOf(value, what))
}
