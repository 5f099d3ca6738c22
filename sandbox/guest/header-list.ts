/**
 * Header lists (Fetch Standard, section 2.2.2): flat, `[name, value, …]`, names in lower case. A request's list arrives as one
 * string and is split when somebody looks; an answer's list goes out without a `Headers` object ever being made.
 */

import { toDOMString } from './convert.ts'
import { arrays, strings } from './primordials.ts'

/** A list and whether it may be changed. `raw` is what it is made from when it is first looked at. */
export interface HeaderBox {
  list: string[] | undefined
  raw: string
  immutable: boolean
  /** Sorted and combined, for iteration; undefined after a change. */
  sorted: readonly (readonly [string, string])[] | undefined
}

/** A box of a flat list, which it takes over. */
export function createBox(list: string[], immutable: boolean): HeaderBox {
  return { list, raw: '', immutable, sorted: undefined }
}

/** A box of a list joined by `\n`, see `GuestEntries.dispatch`. */
export function createRawBox(raw: string, immutable: boolean): HeaderBox {
  return { list: undefined, raw, immutable, sorted: undefined }
}

/** The flat list of a box. */
export function listOf(box: HeaderBox): string[] {
  if (box.list === undefined) {
    box.list = box.raw === '' ? [] : strings.split(box.raw, '\n')
    box.raw = ''
  }
  return box.list
}

/** All values of a name joined by `, `, or undefined. `name` is in lower case. */
export function getValue(list: readonly string[], name: string): string | undefined {
  let joined: string | undefined
  for (let index = 0; index < list.length; index += 2) {
    if (list[index] !== name) continue
    joined = joined === undefined ? list[index + 1] : `${joined}, ${list[index + 1]}`
  }
  return joined
}

/** Whether a name is in a list. `name` is in lower case. */
export function hasName(list: readonly string[], name: string): boolean {
  for (let index = 0; index < list.length; index += 2) if (list[index] === name) return true
  return false
}

/** Sets a name to one value: where its first one was, or at the end. */
export function setValue(list: string[], name: string, value: string): void {
  for (let index = 0; index < list.length; index += 2) {
    if (list[index] !== name) continue
    list[index + 1] = value
    deleteName(list, name, index + 2)
    return
  }
  arrays.push(list, name, value)
}

/** Takes a name out of a list, from an index on. */
export function deleteName(list: string[], name: string, from = 0): void {
  let kept = from
  for (let index = from; index < list.length; index += 2) {
    if (list[index] === name) continue
    list[kept] = list[index] as string
    list[kept + 1] = list[index + 1] as string
    kept += 2
  }
  list.length = kept
}

/** A list as it is walked: names sorted, values combined, every `set-cookie` apart ("sort and combine"). */
export function sortAndCombine(list: readonly string[]): (readonly [string, string])[] {
  const pairs: [string, string][] = []
  const cookies: [string, string][] = []
  for (let index = 0; index < list.length; index += 2) {
    const name = list[index] as string
    const value = list[index + 1] as string
    if (name === 'set-cookie') arrays.push(cookies, [name, value])
    else if (!combineInto(pairs, name, value)) arrays.push(pairs, [name, value])
  }
  for (let index = 0; index < cookies.length; index++) arrays.push(pairs, cookies[index] as [string, string])
  // Equal names are all `set-cookie` here; sorting is stable, so these keep their order.
  return arrays.sort(pairs, (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0))
}

function combineInto(pairs: readonly [string, string][], name: string, value: string): boolean {
  for (let index = 0; index < pairs.length; index++) {
    const pair = pairs[index] as [string, string]
    if (pair[0] !== name) continue
    pair[1] = `${pair[1]}, ${value}`
    return true
  }
  return false
}

/** Which characters a token may have (RFC 9110 section 5.6.2): 1 yes, 2 yes and it is an upper case letter. */
const tokenCharacters = new Uint8Array(128)
for (const character of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")
  tokenCharacters[character.charCodeAt(0)] = 1
for (let code = 65; code <= 90; code++) tokenCharacters[code] = 2

/** Whether a text is a token and of which case: undefined if it is none, else whether it has upper case letters. */
export function tokenCase(text: string): 'lower' | 'mixed' | undefined {
  let mixed = false
  for (let index = 0; index < text.length; index++) {
    const code = strings.charCodeAt(text, index)
    const kind = code < 128 ? tokenCharacters[code] : 0
    if (kind === 0) return undefined
    if (kind === 2) mixed = true
  }
  return text === '' ? undefined : mixed ? 'mixed' : 'lower'
}

/** What site code gives as a header's name, in lower case. Throws a TypeError for what is no token: this keeps CR and LF out. */
export function toHeaderName(value: unknown): string {
  const text = toDOMString(value)
  const kind = tokenCase(text)
  if (kind === undefined) throw new TypeError(`${quoted(text)} is not the name of a header`)
  return kind === 'mixed' ? strings.toLowerCase(text) : text
}

const isSpace = (code: number) => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d

/**
 * What site code gives as a header's value, white space around it taken off. Throws a TypeError for characters above U+00FF and
 * for NUL, CR and LF inside: nobody can split an answer with it.
 */
export function toHeaderValue(value: unknown): string {
  const text = toDOMString(value)
  let from = 0
  let to = text.length
  while (from < to && isSpace(strings.charCodeAt(text, from))) from++
  while (to > from && isSpace(strings.charCodeAt(text, to - 1))) to--
  for (let index = 0; index < text.length; index++) {
    const code = strings.charCodeAt(text, index)
    const inside = index >= from && index < to
    if (code > 255 || (inside && (code === 0 || code === 0x0a || code === 0x0d)))
      throw new TypeError('a header has a value with characters that cannot be sent')
  }
  return from === 0 && to === text.length ? text : strings.slice(text, from, to)
}

/** Whether a value can be put on the wire: no control character but tab (RFC 9110 section 5.5). */
export function isSendableValue(value: string): boolean {
  for (let index = 0; index < value.length; index++) {
    const code = strings.charCodeAt(value, index)
    if (code > 255 || code === 0x7f || (code < 0x20 && code !== 0x09)) return false
  }
  return true
}

function quoted(text: string): string {
  return `"${strings.toWellFormed(strings.slice(text, 0, 50))}"`
}
