/**
 * multipart/form-data (RFC 7578, and the encoding that the HTML Standard, section 4.10.21.8, gives names and file names).
 */

import { ops } from '../bridge.ts'
import { blobBytes, createFile, isBlob, isFile, toType, typeOfBlob, withNewlines } from './blob.ts'
import { bounds } from './bounds.ts'
import { createForm, type FormData, type FormEntry, formEntries } from './form-data.ts'
import { call } from './host.ts'
import { arrays, bytes, numbers, regexps, strings } from './primordials.ts'
import { decodeUtf8, encodeUtf8 } from './utf8.ts'

type Bytes = Uint8Array<ArrayBuffer>

const carriageReturn = 0x0d
const lineFeed = 0x0a
const dash = 0x2d

/** A form as bytes, and the boundary that its `Content-Type` has to name. */
export function serializeMultipart(form: FormData): { readonly boundary: string; readonly bytes: Bytes } {
  const boundary = `----grove${randomHex(16)}`
  const entries = formEntries(form)
  const pieces: Bytes[] = []
  for (let index = 0; index < entries.length; index++) {
    const entry = entries[index]
    if (entry === undefined) continue
    const name = entry[0]
    const value = entry[1]
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(withNewlines(name, '\r\n'))}"`
    if (typeof value === 'string') {
      arrays.push(pieces, encodeUtf8(`${head}\r\n\r\n${withNewlines(value, '\r\n')}\r\n`))
      continue
    }
    if (!isBlob(value)) continue
    const filename = isFile(value) ? escapeName(value.name) : 'blob'
    const type = typeOfBlob(value) || 'application/octet-stream'
    arrays.push(pieces, encodeUtf8(`${head}; filename="${filename}"\r\nContent-Type: ${type}\r\n\r\n`))
    arrays.push(pieces, blobBytes(value), encodeUtf8('\r\n'))
  }
  arrays.push(pieces, encodeUtf8(`--${boundary}--\r\n`))
  return { boundary, bytes: join(pieces) }
}

/**
 * The form that bytes are. Throws a TypeError where they are malformed or beyond the bounds of a form. What comes before the
 * first boundary and after the last is ignored (RFC 2046, section 5.1.1).
 */
export function parseMultipart(content: Uint8Array, boundary: string): FormData {
  const marker = encodeUtf8(`\r\n--${boundary}`)
  const entries: FormEntry[] = []
  let at = firstBoundary(content, marker)
  for (;;) {
    if (content[at] === dash && content[at + 1] === dash) return createForm(entries)
    at = skipLineEnd(content, at)
    const head = readHead(content, at)
    const end = findMarker(content, marker, head.bodyAt)
    if (end === -1) throw malformed('its last boundary is missing')
    if (entries.length >= bounds.formEntries) throw malformed(`it has more than ${bounds.formEntries} entries`)
    arrays.push(entries, toEntry(head, bytes.slice(content, head.bodyAt, end)))
    at = end + bytes.length(marker)
  }
}

/** Behind the first boundary, which stands at the start of a line. */
function firstBoundary(content: Uint8Array, marker: Uint8Array): number {
  const size = bytes.length(marker)
  const opening = bytes.subarray(marker, 2)
  if (matches(content, opening, 0)) return size - 2
  const at = findMarker(content, marker, 0)
  if (at === -1) throw malformed('it does not begin with its boundary')
  return at + size
}

/** Behind the line end that follows a boundary, and the spaces that may stand before it. */
function skipLineEnd(content: Uint8Array, from: number): number {
  let at = from
  while (content[at] === 0x20 || content[at] === 0x09) at++
  if (content[at] !== carriageReturn || content[at + 1] !== lineFeed) throw malformed('a boundary is not a line')
  return at + 2
}

function findMarker(content: Uint8Array, marker: Uint8Array, from: number): number {
  for (let at = from; ; at++) {
    at = bytes.indexOf(content, carriageReturn, at)
    if (at === -1 || matches(content, marker, at)) return at
  }
}

function matches(content: Uint8Array, part: Uint8Array, at: number): boolean {
  const size = bytes.length(part)
  for (let index = 0; index < size; index++) if (content[at + index] !== part[index]) return false
  return true
}

interface PartHead {
  readonly name: string
  readonly filename: string | undefined
  readonly type: string
  /** Where the body begins. */
  readonly bodyAt: number
}

function readHead(content: Uint8Array, from: number): PartHead {
  let name: string | undefined
  let filename: string | undefined
  let type = 'text/plain'
  for (let at = from; ; ) {
    const end = bytes.indexOf(content, carriageReturn, at)
    if (end === -1 || content[end + 1] !== lineFeed) throw malformed('a header of a part has no end')
    if (end - from > bounds.partHeaderBytes) throw malformed('the header of a part is too long')
    if (end === at) {
      if (name === undefined) throw malformed('a part has no name')
      return { name, filename, type, bodyAt: end + 2 }
    }
    const line = decodeUtf8(bytes.subarray(content, at, end))
    const colon = strings.indexOf(line, ':')
    if (colon <= 0) throw malformed('a header of a part is malformed')
    const header = strings.toLowerCase(strings.slice(line, 0, colon))
    const value = strings.trim(strings.slice(line, colon + 1))
    if (header === 'content-disposition') {
      const disposition = readDisposition(value)
      name = disposition.name
      filename = disposition.filename
    } else if (header === 'content-type') type = toType(value)
    at = end + 2
  }
}

const formDataToken = /^form-data[ \t]*(?=;|$)/i
const parameter = /^;[ \t]*([a-z*]+)=(?:"([^"]*)"|([^;"\s]*))[ \t]*/i

function readDisposition(value: string): { readonly name: string | undefined; readonly filename: string | undefined } {
  const token = regexps.exec(formDataToken, value)
  if (token === null) throw malformed('a part is not form-data')
  let name: string | undefined
  let filename: string | undefined
  let rest = strings.slice(value, (token[0] as string).length)
  while (rest !== '') {
    const match = regexps.exec(parameter, rest)
    if (match === null) throw malformed('the disposition of a part is malformed')
    const key = strings.toLowerCase(match[1] as string)
    const text = unescapeName(match[2] ?? match[3] ?? '')
    if (key === 'name') name = text
    else if (key === 'filename') filename = text
    rest = strings.slice(rest, (match[0] as string).length)
  }
  return { name, filename }
}

function toEntry(head: PartHead, body: Bytes): FormEntry {
  if (head.filename === undefined) return [head.name, decodeUtf8(body)]
  return [head.name, createFile(body, head.type, head.filename)]
}

function escapeName(name: string): string {
  return replaceEach(replaceEach(replaceEach(name, '\r', '%0D'), '\n', '%0A'), '"', '%22')
}

function unescapeName(name: string): string {
  if (!strings.includes(name, '%')) return name
  return replaceEach(replaceEach(replaceEach(name, '%0D', '\r'), '%0A', '\n'), '%22', '"')
}

function replaceEach(text: string, part: string, replacement: string): string {
  return strings.includes(text, part) ? arrays.join(strings.split(text, part), replacement) : text
}

function join(pieces: readonly Bytes[]): Bytes {
  let size = 0
  for (let index = 0; index < pieces.length; index++) size += bytes.length(pieces[index] as Bytes)
  const joined = new bytes.Array(size)
  let at = 0
  for (let index = 0; index < pieces.length; index++) {
    bytes.set(joined, pieces[index] as Bytes, at)
    at += bytes.length(pieces[index] as Bytes)
  }
  return joined
}

/** Random bytes of the host's, so that a boundary cannot be guessed and put into a value. */
function randomHex(count: number): string {
  const random = call(ops.random, count)
  let text = ''
  if (typeof random === 'object')
    for (let index = 0; index < count; index++)
      text += strings.padStart(numbers.toString(random[index] as number, 16), 2, '0')
  return text
}

function malformed(why: string): TypeError {
  return new TypeError(`the body is not valid multipart/form-data: ${why}`)
}
