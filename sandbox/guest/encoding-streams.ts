/**
 * TextEncoderStream and TextDecoderStream (Encoding Standard, section 7.5): the transforms of text as streams.
 */

import { isBufferSource, toDictionary, toDOMString } from './convert.ts'
import { TextDecoder } from './encoding.ts'
import { defineInterface } from './idl.ts'
import { bytes, objects, strings, uncurry, uncurryGetter } from './primordials.ts'
import { streamClasses } from './streams.ts'
import { encodeUtf8 } from './utf8.ts'

const { TransformStream, TransformStreamDefaultController } = streamClasses
type Transform = InstanceType<typeof TransformStream>
type Controller = typeof TransformStreamDefaultController.prototype

const enqueue = uncurry(TransformStreamDefaultController.prototype.enqueue) as (to: Controller, chunk: unknown) => void
const readableOf = uncurryGetter<Transform, object>(TransformStream.prototype, 'readable')
const writableOf = uncurryGetter<Transform, object>(TransformStream.prototype, 'writable')
const decode = uncurry(TextDecoder.prototype.decode) as (
  decoder: TextDecoder,
  input?: unknown,
  more?: unknown,
) => string

/** A transform without a prototype, so that nothing put on `Object.prototype` becomes part of it. */
function createTransform(
  transform: (chunk: unknown, controller: Controller) => void,
  flush: (controller: Controller) => void,
): Transform {
  return new TransformStream(objects.assign(objects.create(null), { transform, flush }))
}

/** Text in, UTF-8 out. */
export class TextEncoderStream {
  readonly #transform: Transform

  constructor() {
    // The first half of a pair waits for the second, which may come with the next piece.
    let half = ''
    this.#transform = createTransform(
      (chunk, controller) => {
        const text = half + toDOMString(chunk)
        half = endsWithHalf(text) ? strings.slice(text, text.length - 1) : ''
        const whole = half === '' ? text : strings.slice(text, 0, text.length - 1)
        if (whole !== '') enqueue(controller, encodeUtf8(whole))
      },
      (controller) => {
        if (half !== '') enqueue(controller, new bytes.Array([0xef, 0xbf, 0xbd]))
      },
    )
  }

  get encoding(): string {
    readableOf(this.#transform)
    return 'utf-8'
  }

  get readable(): object {
    return readableOf(this.#transform)
  }

  get writable(): object {
    return writableOf(this.#transform)
  }
}
defineInterface(TextEncoderStream)

function endsWithHalf(text: string): boolean {
  if (text === '') return false
  const unit = strings.charCodeAt(text, text.length - 1)
  return unit >= 0xd800 && unit <= 0xdbff
}

const more = objects.freeze({ stream: true })

/** Bytes in any encoding of the web in, text out. */
export class TextDecoderStream {
  readonly #transform: Transform
  readonly #encoding: string
  readonly #fatal: boolean
  readonly #ignoreBom: boolean

  constructor(label: unknown = 'utf-8', options: unknown = undefined) {
    const { fatal, ignoreBOM } = toDictionary(options, 'the options of a TextDecoderStream')
    this.#fatal = !!fatal
    this.#ignoreBom = !!ignoreBOM
    const decoder = new TextDecoder(label, { fatal, ignoreBOM })
    this.#encoding = decoder.encoding
    this.#transform = createTransform(
      (chunk, controller) => {
        if (!isBufferSource(chunk)) throw new TypeError('a piece is not an ArrayBuffer or a view of one')
        const text = decode(decoder, chunk, more)
        if (text !== '') enqueue(controller, text)
      },
      (controller) => {
        const text = decode(decoder)
        if (text !== '') enqueue(controller, text)
      },
    )
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

  get readable(): object {
    return readableOf(this.#transform)
  }

  get writable(): object {
    return writableOf(this.#transform)
  }
}
defineInterface(TextDecoderStream)
