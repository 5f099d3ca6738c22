/**
 * application/x-www-form-urlencoded (URL Standard, section 5).
 */

import { arrays, bytes, strings } from './primordials.ts'
import { decodeUtf8, encodeUtf8 } from './utf8.ts'

/** A name and its value. */
export type Pair = [name: string, value: string]

const decodeComponent = decodeURIComponent
const encodeComponent = encodeURIComponent

/**
 * The pairs of a text, in order. What is malformed stands for itself. Throws a TypeError above `most` pairs, which is for texts
 * that a visitor sends: each pair costs some fifty times its bytes.
 */
export function parseUrlencoded(text: string, most: number = Number.POSITIVE_INFINITY): Pair[] {
  const pairs: Pair[] = []
  for (let from = 0; from <= text.length; ) {
    const end = strings.indexOf(text, '&', from)
    const to = end === -1 ? text.length : end
    if (to > from) {
      if (pairs.length >= most) throw new TypeError(`a form has more than ${most} entries`)
      const piece = strings.slice(text, from, to)
      const equals = strings.indexOf(piece, '=')
      const name = equals === -1 ? piece : strings.slice(piece, 0, equals)
      const value = equals === -1 ? '' : strings.slice(piece, equals + 1)
      arrays.push(pairs, [decode(name), decode(value)])
    }
    from = to + 1
  }
  return pairs
}

function decode(text: string): string {
  const spaced = strings.includes(text, '+') ? arrays.join(strings.split(text, '+'), ' ') : text
  if (!strings.includes(spaced, '%')) return spaced
  try {
    return decodeComponent(spaced)
  } catch {
    return decodeUtf8(percentDecode(encodeUtf8(spaced)))
  }
}

function percentDecode(input: Uint8Array): Uint8Array {
  const length = bytes.length(input)
  const output = new bytes.Array(length)
  let size = 0
  for (let index = 0; index < length; index++) {
    const byte = input[index] as number
    const high = byte === 0x25 ? hexValue(input[index + 1]) : -1
    const low = high === -1 ? -1 : hexValue(input[index + 2])
    output[size++] = low === -1 ? byte : high * 16 + low
    if (low !== -1) index += 2
  }
  return bytes.subarray(output, 0, size)
}

function hexValue(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** Pairs as a text. Names and values are well-formed strings. */
export function serializeUrlencoded(pairs: readonly (readonly [string, string])[]): string {
  let text = ''
  for (let index = 0; index < pairs.length; index++) {
    const pair = pairs[index]
    if (pair === undefined) continue
    text += `${index === 0 ? '' : '&'}${encode(pair[0])}=${encode(pair[1])}`
  }
  return text
}

function encode(text: string): string {
  const coded = encodeComponent(text)
  let result = ''
  let from = 0
  for (let index = 0; index < coded.length; index++) {
    const replacement = replacementOf(coded, index)
    if (replacement === undefined) continue
    result += strings.slice(coded, from, index) + replacement
    if (replacement === '+') index += 2
    from = index + 1
  }
  return from === 0 ? coded : result + strings.slice(coded, from)
}

/** What `encodeURIComponent` leaves and this format does not; a space is a plus. */
function replacementOf(coded: string, index: number): string | undefined {
  switch (strings.charCodeAt(coded, index)) {
    case 0x21:
      return '%21'
    case 0x27:
      return '%27'
    case 0x28:
      return '%28'
    case 0x29:
      return '%29'
    case 0x7e:
      return '%7E'
    case 0x25:
      return strings.startsWith(coded, '%20', index) ? '+' : undefined
    default:
      return undefined
  }
}
