/**
 * UTF-8 (Encoding Standard, section 8.1). Short texts are done here, where a call of the host would cost more than the work;
 * long ones are done by the host.
 */

import { bridgeLimits, decodeFlags, ops } from '../bridge.ts'
import { call } from './host.ts'
import { arrays, bytes, reflect, strings } from './primordials.ts'

/** From these lengths on the host is faster (measured): at decoding, at encoding more than ASCII, at encoding anything. */
const hostDecodesFrom = 1_024
const hostEncodesFrom = 1_024
const hostEncodesAsciiFrom = 65_536
/** Code units that become a string at one time; all of them are arguments of a call. */
const unitsAtOnce = 4_096

/** A text as UTF-8, in a buffer of its own. Lone surrogates become U+FFFD. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  const { length } = text
  if (length >= hostEncodesAsciiFrom) return encodeByHost(text) ?? encodeRest(text, new bytes.Array(0), 0)
  const ascii = new bytes.Array(length)
  for (let index = 0; index < length; index++) {
    const unit = strings.charCodeAt(text, index)
    if (unit > 0x7f)
      return (length < hostEncodesFrom ? undefined : encodeByHost(text)) ?? encodeRest(text, ascii, index)
    ascii[index] = unit
  }
  return ascii
}

/** Undefined if it is too long for one call. */
function encodeByHost(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length > bridgeLimits.textBytes / 3) return undefined
  const encoded = call(ops.encode, text)
  return typeof encoded === 'object' ? (encoded as Uint8Array<ArrayBuffer>) : undefined
}

function encodeRest(text: string, ascii: Uint8Array, from: number): Uint8Array<ArrayBuffer> {
  // A code unit takes three bytes at most: a pair of them four.
  const room = new bytes.Array(from + (text.length - from) * 3)
  bytes.set(room, bytes.subarray(ascii, 0, from))
  const { written } = encodeInto(text, room, from, from)
  return bytes.slice(room, 0, written)
}

/** Encodes into `room` from `at` on while whole characters fit: how many code units were read, and where writing ended. */
export function encodeInto(text: string, room: Uint8Array, from = 0, at = 0): { read: number; written: number } {
  const { length } = text
  const end = bytes.length(room)
  let index = from
  let place = at
  while (index < length) {
    const point = scalarAt(text, index)
    const size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4
    if (place + size > end) break
    writeScalar(room, place, point, size)
    place += size
    index += size === 4 ? 2 : 1
  }
  return { read: index, written: place }
}

function scalarAt(text: string, index: number): number {
  const unit = strings.charCodeAt(text, index)
  if (unit < 0xd800 || unit > 0xdfff) return unit
  const next = unit < 0xdc00 && index + 1 < text.length ? strings.charCodeAt(text, index + 1) : 0
  return next >= 0xdc00 && next <= 0xdfff ? 0x10000 + ((unit - 0xd800) << 10) + (next - 0xdc00) : 0xfffd
}

function writeScalar(room: Uint8Array, place: number, point: number, size: number): void {
  if (size === 1) {
    room[place] = point
    return
  }
  const lead = size === 2 ? 0xc0 : size === 3 ? 0xe0 : 0xf0
  room[place] = lead | (point >> (6 * (size - 1)))
  for (let rest = size - 1; rest > 0; rest--) room[place + size - rest] = 0x80 | ((point >> (6 * (rest - 1))) & 0x3f)
}

/** Decodes a whole text. Malformed sequences become U+FFFD each, or throw a TypeError if `fatal`. A byte order mark is kept. */
export function decodeUtf8(input: Uint8Array, fatal = false): string {
  const length = bytes.length(input)
  if (length < hostDecodesFrom) return decodeHere(input, length, fatal)
  if (length <= bridgeLimits.textBytes) return decodeByHost(input, fatal)
  const texts: string[] = []
  for (let from = 0; from < length; ) {
    const piece = bytes.subarray(input, from, from + bridgeLimits.textBytes)
    const size = bytes.length(piece)
    const whole = from + size === length ? size : size - incompleteTail(piece)
    arrays.push(texts, decodeByHost(bytes.subarray(piece, 0, whole), fatal))
    from += whole
  }
  return arrays.join(texts, '')
}

function decodeByHost(input: Uint8Array, fatal: boolean): string {
  // A copy: of a view, all that lies behind it would cross.
  const flags = decodeFlags.ignoreBom + (fatal ? decodeFlags.fatal : 0)
  const text = call(ops.decode, 'utf-8', bytes.slice(input), flags)
  if (typeof text === 'string') return text
  if (fatal) throw new TypeError('the bytes are not valid UTF-8')
  return decodeHere(input, bytes.length(input), false)
}

function decodeHere(input: Uint8Array, length: number, fatal: boolean): string {
  let text = ''
  let units: number[] = []
  for (let index = 0; index < length; ) {
    if (units.length >= unitsAtOnce) {
      text += reflect.apply(strings.fromCharCode, undefined, units) as string
      units = []
    }
    const lead = input[index] as number
    if (lead < 0x80) {
      units[units.length] = lead
      index++
      continue
    }
    const size = sequenceSize(input, index, length)
    if (size <= 0) {
      if (fatal) throw new TypeError('the bytes are not valid UTF-8')
      units[units.length] = 0xfffd
      index += size === 0 ? 1 : -size
      continue
    }
    pushScalar(units, input, index, size)
    index += size
  }
  return text + (reflect.apply(strings.fromCharCode, undefined, units) as string)
}

/**
 * How long the sequence at `index` is; 0 or, negative, the bytes that one U+FFFD stands for when it is malformed: the longest
 * beginning of a well-formed sequence (Encoding Standard, section 8.1.1).
 */
function sequenceSize(input: Uint8Array, index: number, length: number): number {
  const lead = input[index] as number
  if (lead < 0xc2 || lead > 0xf4) return 0
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  for (let at = 1; at < size; at++) {
    if (index + at >= length) return -at
    const byte = input[index + at] as number
    if (byte < lowest(lead, at) || byte > highest(lead, at)) return at === 1 ? 0 : -at
  }
  return size
}

// The second byte is bounded so that no sequence is longer than need be, a surrogate, or above U+10FFFF.
function lowest(lead: number, at: number): number {
  return at > 1 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
}

function highest(lead: number, at: number): number {
  return at > 1 ? 0xbf : lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
}

function pushScalar(units: number[], input: Uint8Array, index: number, size: number): void {
  let point = (input[index] as number) & (size === 2 ? 0x1f : size === 3 ? 0x0f : 0x07)
  for (let at = 1; at < size; at++) point = (point << 6) | ((input[index + at] as number) & 0x3f)
  if (point < 0x10000) units[units.length] = point
  else {
    units[units.length] = 0xd800 + ((point - 0x10000) >> 10)
    units[units.length] = 0xdc00 + ((point - 0x10000) & 0x3ff)
  }
}

/** UTF-8 without the byte order mark that it may begin with. */
export function withoutMark(input: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return input[0] === 0xef && input[1] === 0xbb && input[2] === 0xbf ? bytes.subarray(input, 3) : input
}

/** How many bytes at the end are the beginning of a sequence that more bytes may make whole: 0 to 3. */
export function incompleteTail(input: Uint8Array): number {
  const length = bytes.length(input)
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = input[length - back] as number
    if ((byte & 0xc0) === 0x80) continue
    const size = sequenceSize(input, length - back, length)
    return size === -back ? back : 0
  }
  return 0
}
