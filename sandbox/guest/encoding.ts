/**
 * TextEncoder and TextDecoder (Encoding Standard, section 7). UTF-8 is done in the guest (utf8.ts); the legacy encodings are
 * tables of the host's.
 */

import { bridgeLimits, decodeFlags, ops } from '../bridge.ts'
import { bytesOf, isBufferSource, requireArguments, toDictionary, toDOMString, toUSVString } from './convert.ts'
import { call, current } from './host.ts'
import { defineInterface } from './idl.ts'
import { arrays, bytes, sets, strings } from './primordials.ts'
import { decodeUtf8, encodeInto, encodeUtf8, incompleteTail, withoutMark } from './utf8.ts'

/** Makes UTF-8 of text. */
export class TextEncoder {
  // Without a private field, any object would do as `this`.
  readonly #encoding = 'utf-8'

  get encoding(): string {
    return this.#encoding
  }

  encode(input: unknown = ''): Uint8Array<ArrayBuffer> {
    this.#encoding
    return encodeUtf8(toDOMString(input))
  }

  encodeInto(source: unknown, destination: unknown): { read: number; written: number } {
    this.#encoding
    requireArguments(arguments.length, 2, 'TextEncoder.encodeInto')
    const text = toUSVString(source)
    if (bytes.tagOf(destination) !== 'Uint8Array') throw new TypeError('the destination is not a Uint8Array')
    return encodeInto(text, destination as Uint8Array)
  }
}
defineInterface(TextEncoder)

const utf8Labels = new Set(['unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'utf-8', 'utf8', 'x-unicode20utf8'])

/** Makes text of bytes in any encoding of the web. */
export class TextDecoder {
  readonly #encoding: string
  readonly #fatal: boolean
  readonly #ignoreBom: boolean
  /** What is kept between pieces; undefined outside of a stream. */
  #stream: Utf8Stream | HostStream | undefined

  constructor(label: unknown = 'utf-8', options: unknown = undefined) {
    this.#encoding = encodingOf(toDOMString(label))
    const { fatal, ignoreBOM } = toDictionary(options, 'the options of a TextDecoder')
    this.#fatal = !!fatal
    this.#ignoreBom = !!ignoreBOM
  }

  get encoding(): string {
    return this.#encoding
  }

  get fatal(): boolean {
    return this.#fatal
  }

  get ignoreBOM(): boolean {
    return this.#ignoreBom
  }

  decode(input: unknown = undefined, options: unknown = undefined): string {
    const isUtf8 = this.#encoding === 'utf-8'
    if (input !== undefined && !isBufferSource(input))
      throw new TypeError('decode: not an ArrayBuffer or a view of one')
    const more = !!toDictionary(options, 'the options of decode')['stream']
    const piece = input === undefined ? new bytes.Array(0) : bytesOf(input, 'the input')
    if (isUtf8 && !more && this.#stream === undefined)
      return decodeUtf8(this.#ignoreBom ? piece : withoutMark(piece), this.#fatal)
    const stream = this.#stream ?? this.#open()
    this.#stream = more ? stream : undefined
    try {
      return stream.decode(piece, !more)
    } catch (thrown) {
      this.#stream = undefined
      throw thrown
    }
  }

  #open(): Utf8Stream | HostStream {
    if (this.#encoding === 'utf-8') return new Utf8Stream(this.#fatal, this.#ignoreBom)
    return new HostStream(this.#encoding, this.#fatal, this.#ignoreBom)
  }
}
defineInterface(TextDecoder)

/** The name of the encoding that a label stands for. Throws a RangeError when there is none. */
function encodingOf(label: string): string {
  const plain = strings.toLowerCase(trimAsciiSpace(label))
  if (sets.has(utf8Labels, plain)) return 'utf-8'
  const name = plain.length > 40 ? undefined : call(ops.encodingOf, plain)
  if (typeof name !== 'string') throw new RangeError(`"${strings.slice(label, 0, 40)}" is not an encoding`)
  return name
}

function trimAsciiSpace(label: string): string {
  let from = 0
  let to = label.length
  while (from < to && isAsciiSpace(strings.charCodeAt(label, from))) from++
  while (to > from && isAsciiSpace(strings.charCodeAt(label, to - 1))) to--
  return strings.slice(label, from, to)
}

function isAsciiSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x09 || unit === 0x0a || unit === 0x0c || unit === 0x0d
}

/** UTF-8 in pieces: what one ends with in the middle of a sequence waits for the next. */
class Utf8Stream {
  readonly #fatal: boolean
  #markMayCome: boolean
  #rest = new bytes.Array(0)

  constructor(fatal: boolean, ignoreBom: boolean) {
    this.#fatal = fatal
    this.#markMayCome = !ignoreBom
  }

  decode(piece: Uint8Array, last: boolean): string {
    const input = join(this.#rest, piece)
    const size = bytes.length(input)
    const whole = last ? size : size - incompleteTail(input)
    this.#rest = bytes.slice(input, whole)
    let ready = bytes.subarray(input, 0, whole)
    if (this.#markMayCome && whole > 0) {
      ready = withoutMark(ready)
      this.#markMayCome = false
    }
    return decodeUtf8(ready, this.#fatal)
  }
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const size = bytes.length(first)
  if (size === 0) return second
  const joined = new bytes.Array(size + bytes.length(second))
  bytes.set(joined, first)
  bytes.set(joined, second, size)
  return joined
}

/** A legacy encoding, in pieces, by a decoder of the host's. */
class HostStream {
  readonly #label: string
  readonly #flags: number
  #handle = 0

  constructor(label: string, fatal: boolean, ignoreBom: boolean) {
    this.#label = label
    this.#flags = (fatal ? decodeFlags.fatal : 0) + (ignoreBom ? decodeFlags.ignoreBom : 0)
  }

  decode(piece: Uint8Array, last: boolean): string {
    const size = bytes.length(piece)
    if (last && this.#handle === 0 && size <= bridgeLimits.textBytes)
      return textOf(call(ops.decode, this.#label, bytes.slice(piece), this.#flags))
    if (this.#handle === 0) this.#handle = handleOf(call(ops.openDecoder, current, this.#label, this.#flags))
    const texts: string[] = []
    let from = 0
    do {
      const part = bytes.slice(piece, from, from + bridgeLimits.textBytes)
      from += bridgeLimits.textBytes
      arrays.push(texts, textOf(call(ops.decodePiece, this.#handle, part, last && from >= size)))
    } while (from < size)
    return arrays.join(texts, '')
  }
}

function textOf(answer: unknown): string {
  if (typeof answer !== 'string') throw new TypeError('the bytes are not valid in this encoding')
  return answer
}

function handleOf(answer: unknown): number {
  if (typeof answer !== 'number' || answer <= 0) throw new TypeError('too many decoders are open')
  return answer
}
