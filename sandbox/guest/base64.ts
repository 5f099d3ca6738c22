/**
 * atob and btoa (Infra Standard, "forgiving-base64").
 */

import { requireArguments, toDOMString } from './convert.ts'
import { DOMException } from './dom-exception.ts'
import { bytes, reflect, strings } from './primordials.ts'

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
/** The value of each ASCII code; -1 for none, -2 for a space, which is passed over. */
const values: number[] = []
for (let unit = 0; unit < 128; unit++) values[unit] = alphabet.indexOf(String.fromCharCode(unit))
for (const space of [0x09, 0x0a, 0x0c, 0x0d, 0x20]) values[space] = -2

/** Code units that become a string at one time. */
const unitsAtOnce = 4_096

/** `btoa`: a string of bytes as Base64. */
export function btoa(data: unknown): string {
  requireArguments(arguments.length, 1, 'btoa')
  const text = toDOMString(data)
  let result = ''
  let units: number[] = []
  for (let index = 0; index < text.length; index += 3) {
    const first = byteAt(text, index)
    const second = byteAt(text, index + 1)
    const third = byteAt(text, index + 2)
    const bits = (first << 16) | (second << 8) | third
    const length = text.length - index
    units[units.length] = strings.charCodeAt(alphabet, bits >> 18)
    units[units.length] = strings.charCodeAt(alphabet, (bits >> 12) & 63)
    units[units.length] = length > 1 ? strings.charCodeAt(alphabet, (bits >> 6) & 63) : 0x3d
    units[units.length] = length > 2 ? strings.charCodeAt(alphabet, bits & 63) : 0x3d
    if (units.length >= unitsAtOnce) {
      result += textOf(units)
      units = []
    }
  }
  return result + textOf(units)
}

function byteAt(text: string, index: number): number {
  if (index >= text.length) return 0
  const unit = strings.charCodeAt(text, index)
  if (unit > 255) throw new DOMException('btoa: a character is no byte', 'InvalidCharacterError')
  return unit
}

function textOf(units: readonly number[]): string {
  return reflect.apply(strings.fromCharCode, undefined, units) as string
}

/** `atob`: Base64 as a string of bytes. Spaces, and a missing padding, are forgiven. */
export function atob(data: unknown): string {
  requireArguments(arguments.length, 1, 'atob')
  const text = toDOMString(data)
  const sextets = readSextets(text)
  const size = bytes.length(sextets)
  if (size % 4 === 1) throw invalid('it has a character too many')
  let result = ''
  let units: number[] = []
  for (let index = 0; index < size; index += 4) {
    const bits = (at(index) << 18) | (at(index + 1) << 12) | (at(index + 2) << 6) | at(index + 3)
    units[units.length] = bits >> 16
    if (index + 2 < size) units[units.length] = (bits >> 8) & 255
    if (index + 3 < size) units[units.length] = bits & 255
    if (units.length < unitsAtOnce) continue
    result += textOf(units)
    units = []
  }
  return result + textOf(units)

  function at(index: number): number {
    return sextets[index] ?? 0
  }
}

/** The values of all characters that count; throws an `InvalidCharacterError` at one that does not belong. */
function readSextets(text: string): Uint8Array {
  const sextets = new bytes.Array(text.length)
  let size = 0
  let padding = 0
  for (let index = 0; index < text.length; index++) {
    const unit = strings.charCodeAt(text, index)
    const value = unit < 128 ? (values[unit] as number) : -1
    if (value === -2) continue
    if (unit === 0x3d) {
      padding++
      continue
    }
    if (value === -1 || padding > 0) throw invalid('a character does not belong there')
    sextets[size++] = value
  }
  if (padding > 2 || (padding > 0 && (size + padding) % 4 !== 0)) throw invalid('its padding is wrong')
  return bytes.subarray(sextets, 0, size)
}

function invalid(why: string): DOMException {
  return new DOMException(`the text is not Base64: ${why}`, 'InvalidCharacterError')
}
