/**
 * MIME types (MIME Sniffing Standard, section 4) as bodies need them: what `Content-Type` says, its essence and parameters.
 */

import { tokenCase } from './header-list.ts'
import { arrays, strings } from './primordials.ts'

/** A parsed MIME type. `parameters` is flat, names in lower case. */
export interface MimeType {
  /** `text/html`, in lower case. */
  readonly essence: string
  readonly parameters: readonly string[]
}

/** Parses a MIME type; undefined for what is none ("parse a MIME type"). */
export function parseMimeType(text: string): MimeType | undefined {
  const input = trimSpace(text)
  const slash = strings.indexOf(input, '/')
  if (slash === -1) return undefined
  const semicolon = strings.indexOf(input, ';', slash)
  const end = semicolon === -1 ? input.length : semicolon
  const type = strings.slice(input, 0, slash)
  const subtype = trimSpace(strings.slice(input, slash + 1, end))
  if (tokenCase(type) === undefined || tokenCase(subtype) === undefined) return undefined
  const parameters: string[] = []
  for (let at = end; at < input.length; ) at = readParameter(input, at + 1, parameters)
  return { essence: strings.toLowerCase(`${type}/${subtype}`), parameters }
}

/** A parameter's value, or undefined. `name` is in lower case. */
export function getParameter(type: MimeType, name: string): string | undefined {
  for (let index = 0; index < type.parameters.length; index += 2)
    if (type.parameters[index] === name) return type.parameters[index + 1]
  return undefined
}

/** A MIME type as text ("serialize a MIME type"). */
export function serializeMimeType(type: MimeType): string {
  let text = type.essence
  for (let index = 0; index < type.parameters.length; index += 2) {
    const value = type.parameters[index + 1] as string
    text += `;${type.parameters[index]}=${tokenCase(value) === undefined ? quote(value) : value}`
  }
  return text
}

/**
 * What the `Content-Type` of a header list says ("extract a MIME type", Fetch Standard): of several values the last that is one,
 * with the charset of an equal one before it.
 */
export function extractMimeType(list: readonly string[]): MimeType | undefined {
  let found: MimeType | undefined
  let charset: string | undefined
  for (let index = 0; index < list.length; index += 2) {
    if (list[index] !== 'content-type') continue
    const parts = splitValue(list[index + 1] as string)
    for (let part = 0; part < parts.length; part++) {
      const type = parseMimeType(parts[part] as string)
      if (type === undefined || type.essence === '*/*') continue
      const own = getParameter(type, 'charset')
      if (type.essence !== found?.essence) charset = own
      else if (own === undefined && charset !== undefined) {
        found = { essence: type.essence, parameters: joinLists(type.parameters, ['charset', charset]) }
        continue
      }
      found = type
    }
  }
  return found
}

function joinLists(first: readonly string[], second: readonly string[]): string[] {
  const list = arrays.slice(first)
  for (let index = 0; index < second.length; index++) arrays.push(list, second[index] as string)
  return list
}

/** Cuts a value at commas that are in no quoted string ("get, decode, and split"). */
function splitValue(value: string): string[] {
  const parts: string[] = []
  let from = 0
  let quoted = false
  for (let index = 0; index < value.length; index++) {
    const code = strings.charCodeAt(value, index)
    if (quoted && code === 0x5c) index++
    else if (code === 0x22) quoted = !quoted
    else if (code === 0x2c && !quoted) {
      arrays.push(parts, strings.slice(value, from, index))
      from = index + 1
    }
  }
  arrays.push(parts, strings.slice(value, from))
  return parts
}

/** Reads one parameter that begins at `from`, after its semicolon. Answers where it ends: at the next semicolon, or the end. */
function readParameter(input: string, from: number, parameters: string[]): number {
  let at = from
  while (at < input.length && isSpace(strings.charCodeAt(input, at))) at++
  const start = at
  while (at < input.length && input[at] !== ';' && input[at] !== '=') at++
  const name = strings.toLowerCase(strings.slice(input, start, at))
  if (at >= input.length || input[at] === ';') return at
  at++
  let value: string
  if (input[at] === '"') {
    const read = readQuoted(input, at + 1)
    value = read.value
    at = read.at
    while (at < input.length && input[at] !== ';') at++
  } else {
    const end = strings.indexOf(input, ';', at)
    const to = end === -1 ? input.length : end
    value = trimEnd(strings.slice(input, at, to))
    at = to
    if (value === '') return at
  }
  if (tokenCase(name) === undefined || !isQuotable(value)) return at
  for (let index = 0; index < parameters.length; index += 2) if (parameters[index] === name) return at
  arrays.push(parameters, name, value)
  return at
}

function readQuoted(input: string, from: number): { readonly value: string; readonly at: number } {
  let value = ''
  for (let at = from; at < input.length; at++) {
    const character = input[at] as string
    if (character === '"') return { value, at: at + 1 }
    if (character === '\\' && at + 1 < input.length) value += input[++at]
    else value += character
  }
  return { value, at: input.length }
}

function quote(value: string): string {
  let text = '"'
  for (let index = 0; index < value.length; index++) {
    const character = value[index] as string
    text += character === '"' || character === '\\' ? `\\${character}` : character
  }
  return `${text}"`
}

function isQuotable(value: string): boolean {
  for (let index = 0; index < value.length; index++) {
    const code = strings.charCodeAt(value, index)
    if (code > 0xff || code === 0x7f || (code < 0x20 && code !== 0x09)) return false
  }
  return true
}

const isSpace = (code: number) => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d

function trimEnd(text: string): string {
  let to = text.length
  while (to > 0 && isSpace(strings.charCodeAt(text, to - 1))) to--
  return strings.slice(text, 0, to)
}

function trimSpace(text: string): string {
  let from = 0
  while (from < text.length && isSpace(strings.charCodeAt(text, from))) from++
  return trimEnd(strings.slice(text, from))
}
