/**
 * Blob and File (File API, sections 3 and 4). A blob's bytes never change, so a slice shares those of the whole.
 */

import {
  bytesOf,
  isBufferSource,
  requireArguments,
  toDictionary,
  toDOMString,
  toEnum,
  toLongLong,
  toSequence,
  toUSVString,
} from './convert.ts'
import { nowMs } from './host.ts'
import { defineInterface, internal } from './idl.ts'
import { arrays, bytes, numbers, strings } from './primordials.ts'
import { createBytesStream } from './streams.ts'
import { decodeUtf8, encodeUtf8, withoutMark } from './utf8.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What the prelude may see of a blob; site code cannot reach it. */
interface BlobControl {
  is(value: unknown): value is Blob
  bytes(blob: Blob): Bytes
  type(blob: Blob): string
}

let control: BlobControl
let isFileObject: (value: unknown) => value is File

/** Bytes that do not change, with a media type. */
export class Blob {
  readonly #bytes: Bytes
  readonly #type: string

  constructor(parts: unknown = undefined, options: unknown = undefined) {
    // Inside the prelude, one is made of bytes that are already there: `{ bytes, type }`, which site code cannot say.
    if (options === internal) {
      const made = parts as { readonly bytes: Bytes; readonly type: string }
      this.#bytes = made.bytes
      this.#type = made.type
      return
    }
    const list = parts === undefined ? [] : toSequence(parts, toPart, 'the list of parts of a Blob')
    const dictionary = toDictionary(options, 'the options of a Blob')
    const endings = dictionary['endings']
    const native = endings !== undefined && toEnum(endings, ['transparent', 'native'], 'endings') === 'native'
    const type = dictionary['type']
    this.#type = type === undefined ? '' : toType(toDOMString(type))
    this.#bytes = joinParts(list, native)
  }

  get size(): number {
    return bytes.length(this.#bytes)
  }

  get type(): string {
    return this.#type
  }

  slice(start: unknown = undefined, end: unknown = undefined, contentType: unknown = undefined): Blob {
    const size = bytes.length(this.#bytes)
    const from = start === undefined ? 0 : place(toLongLong(start, 'clamp'), size)
    const to = end === undefined ? size : place(toLongLong(end, 'clamp'), size)
    const type = contentType === undefined ? '' : toType(toDOMString(contentType))
    return createBlob(bytes.subarray(this.#bytes, from, numbers.max(from, to)), type)
  }

  stream(): object {
    const data = this.#bytes
    return createBytesStream(() => bytes.slice(data))
  }

  async text(): Promise<string> {
    return decodeUtf8(withoutMark(this.#bytes))
  }

  async arrayBuffer(): Promise<ArrayBuffer> {
    return bytes.buffer(bytes.slice(this.#bytes)) as ArrayBuffer
  }

  async bytes(): Promise<Bytes> {
    return bytes.slice(this.#bytes)
  }

  static {
    control = {
      is: (value): value is Blob => typeof value === 'object' && value !== null && #bytes in value,
      bytes: (blob) => blob.#bytes,
      type: (blob) => blob.#type,
    }
  }
}
defineInterface(Blob)

/** A blob with a name and a time. */
export class File extends Blob {
  readonly #name: string
  readonly #lastModified: number

  constructor(parts: unknown, name: unknown, options: unknown = undefined) {
    if (options === internal) {
      super(parts, internal)
      const made = name as { readonly name: string; readonly lastModified: number }
      this.#name = made.name
      this.#lastModified = made.lastModified
      return
    }
    requireArguments(arguments.length, 2, 'File')
    // A File without parts is none, while a Blob may be.
    super(parts === undefined ? null : parts, options)
    this.#name = toUSVString(name)
    const { lastModified } = toDictionary(options, 'the options of a File')
    this.#lastModified = lastModified === undefined ? nowMs : toLongLong(lastModified)
  }

  get name(): string {
    return this.#name
  }

  get lastModified(): number {
    return this.#lastModified
  }

  static {
    isFileObject = (value): value is File => typeof value === 'object' && value !== null && #name in value
  }
}
defineInterface(File)

/** Whether a value is a Blob (a File is one), by its private fields. */
export function isBlob(value: unknown): value is Blob {
  return control.is(value)
}

/** Whether a value is a File, by its private fields. */
export function isFile(value: unknown): value is File {
  return isFileObject(value)
}

/** The bytes of a blob. They are its own: nobody may change them or pass them on. */
export function blobBytes(blob: Blob): Bytes {
  return control.bytes(blob)
}

/** The media type of a blob, lower-case, '' for none. */
export function typeOfBlob(blob: Blob): string {
  return control.type(blob)
}

/** A blob of bytes that it takes over; `type` is as `Blob.type` would give it. */
export function createBlob(data: Bytes, type: string): Blob {
  return new Blob({ bytes: data, type }, internal)
}

/** A file of bytes that it takes over. */
export function createFile(data: Bytes, type: string, name: string, lastModified = nowMs): File {
  return new File({ bytes: data, type }, { name, lastModified }, internal)
}

/** File API, "normalize type": lower case, and nothing at all if a character is not printable ASCII. */
export function toType(text: string): string {
  for (let index = 0; index < text.length; index++) {
    const unit = strings.charCodeAt(text, index)
    if (unit < 0x20 || unit > 0x7e) return ''
  }
  return strings.toLowerCase(text)
}

/** A position as `slice` takes it: counted from the end if it is negative. */
function place(position: number, size: number): number {
  return position < 0 ? numbers.max(size + position, 0) : numbers.min(position, size)
}

type Part = Bytes | string

/** Bytes are copied at once: a later conversion may run code that changes them. */
function toPart(element: unknown): Part {
  if (isBufferSource(element)) return bytes.slice(bytesOf(element, 'a part of a Blob'))
  return isBlob(element) ? control.bytes(element) : toUSVString(element)
}

function joinParts(parts: readonly Part[], native: boolean): Bytes {
  const pieces: Bytes[] = []
  let size = 0
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index] as Part
    const piece = typeof part === 'string' ? encodeUtf8(native ? withNewlines(part, '\n') : part) : part
    arrays.push(pieces, piece)
    size += bytes.length(piece)
  }
  const only = pieces[0]
  if (pieces.length === 1 && only !== undefined) return only
  const joined = new bytes.Array(size)
  let at = 0
  for (let index = 0; index < pieces.length; index++) {
    const piece = pieces[index] as Bytes
    bytes.set(joined, piece, at)
    at += bytes.length(piece)
  }
  return joined
}

/** A text in which every end of a line, in whatever form, is `newline`. */
export function withNewlines(text: string, newline: string): string {
  let result = ''
  let from = 0
  for (let index = 0; index < text.length; index++) {
    const unit = strings.charCodeAt(text, index)
    if (unit !== 0x0d && unit !== 0x0a) continue
    result += strings.slice(text, from, index) + newline
    if (unit === 0x0d && index + 1 < text.length && strings.charCodeAt(text, index + 1) === 0x0a) index++
    from = index + 1
  }
  return from === 0 ? text : result + strings.slice(text, from)
}
