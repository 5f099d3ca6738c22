/**
 * Bodies of requests and answers (Fetch Standard, section 5.3 "Body mixin"). What a body is made of is kept as it was given,
 * and becomes a stream only when somebody asks for one: most bodies are one string, in or out.
 */

import type { ReadableStream } from 'web-streams-polyfill'
import { type Blob, blobBytes, isBlob, typeOfBlob } from './blob.ts'
import { copyOfBytes, isBufferSource, toUSVString } from './convert.ts'
import { DOMException } from './dom-exception.ts'
import { isFormData } from './form-data.ts'
import { limits } from './host.ts'
import type { Incoming } from './incoming.ts'
import { serializeMultipart } from './multipart.ts'
import { arrays, bytes, strings } from './primordials.ts'
import {
  cancelStream,
  createBytesStream,
  createHostStream,
  createUsedStream,
  isDisturbed,
  isReadableStream,
  isUnusable,
  openReader,
  proxyStream,
  takeIncoming,
  teeStream,
} from './streams.ts'
import { isSearchParams, queryOf } from './url-search-params.ts'
import { decodeUtf8, encodeUtf8 } from './utf8.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What a body is made of. */
export type BodySource =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'bytes'; readonly bytes: Bytes }
  | { readonly kind: 'blob'; readonly blob: Blob }
  | { readonly kind: 'incoming'; readonly incoming: Incoming }
  | { readonly kind: 'stream'; readonly stream: ReadableStream }

/** A body. Once it has a stream, the stream is what counts. */
export interface Body {
  source: BodySource
  stream: ReadableStream | undefined
  /** It was consumed without a stream. */
  isUsed: boolean
}

/** A body of a source that nobody has read from. */
export function createBody(source: BodySource): Body {
  return { source, stream: source.kind === 'stream' ? source.stream : undefined, isUsed: false }
}

/** A body of what site code gives ("extract a body"), and the `Content-Type` that goes with it. */
export function extractBody(value: unknown): { readonly body: Body; readonly type: string | undefined } {
  if (typeof value === 'string') return textBody(value, 'text/plain;charset=UTF-8')
  if (isReadableStream(value)) {
    if (isUnusable(value)) throw new TypeError('the stream of a body is locked or was read from')
    return { body: createBody({ kind: 'stream', stream: value }), type: undefined }
  }
  if (isBufferSource(value))
    return { body: createBody({ kind: 'bytes', bytes: copyOfBytes(value, 'a body') }), type: undefined }
  if (isBlob(value)) return { body: createBody({ kind: 'blob', blob: value }), type: typeOfBlob(value) || undefined }
  if (isSearchParams(value)) return textBody(queryOf(value), 'application/x-www-form-urlencoded;charset=UTF-8')
  if (isFormData(value)) {
    const { boundary, bytes: content } = serializeMultipart(value)
    const type = `multipart/form-data; boundary=${boundary}`
    return { body: createBody({ kind: 'bytes', bytes: content }), type }
  }
  return textBody(toUSVString(value), 'text/plain;charset=UTF-8')
}

function textBody(text: string, type: string) {
  return { body: createBody({ kind: 'text', text: strings.toWellFormed(text) }), type }
}

/** Whether a body was read from. */
export function isBodyUsed(body: Body): boolean {
  return body.stream === undefined ? body.isUsed : isDisturbed(body.stream)
}

/** Whether a body cannot be read (any more): it was read from, or its stream is locked. */
export function isBodyUnusable(body: Body): boolean {
  return body.stream === undefined ? body.isUsed : isUnusable(body.stream)
}

/** Throws a TypeError when a body cannot be read. */
export function requireUsable(body: Body | null): void {
  if (body !== null && isBodyUnusable(body)) throw new TypeError('the body was read from before, or is being read')
}

/** The stream of a body, made when it is first asked for. */
export function streamOf(body: Body): ReadableStream {
  if (body.stream === undefined) body.stream = body.isUsed ? createUsedStream() : createStream(body.source)
  return body.stream
}

function createStream(source: BodySource): ReadableStream {
  if (source.kind === 'incoming') return createHostStream(source.incoming)
  if (source.kind === 'stream') return source.stream
  return createBytesStream(() => bytesOfSource(source))
}

/** The bytes of a source that is all here, in a buffer of their own. */
function bytesOfSource(source: Exclude<BodySource, { kind: 'incoming' | 'stream' }>): Bytes {
  if (source.kind === 'text') return encodeUtf8(source.text)
  return source.kind === 'bytes' ? bytes.slice(source.bytes) : bytes.slice(blobBytes(source.blob))
}

/**
 * Takes a body to read it in one's own way: it counts as read from now on. A stream that is nothing but a body of the host
 * comes as that body. Throws a TypeError when it cannot be read.
 */
export function takeBody(body: Body): BodySource {
  requireUsable(body)
  const { stream } = body
  if (stream === undefined) {
    body.isUsed = true
    return body.source
  }
  const incoming = takeIncoming(stream)
  return incoming === undefined ? { kind: 'stream', stream } : { kind: 'incoming', incoming }
}

/** A body of the same bytes for another request: the first counts as read from now on. */
export function moveBody(body: Body): Body {
  requireUsable(body)
  if (body.stream !== undefined) return createBody({ kind: 'stream', stream: proxyStream(body.stream) })
  body.isUsed = true
  return createBody(body.source)
}

/** A second body of the same bytes ("clone a body"). Throws a TypeError when the first cannot be read. */
export function cloneBody(body: Body): Body {
  requireUsable(body)
  const { kind } = body.source
  if (body.stream === undefined && kind !== 'incoming' && kind !== 'stream') return createBody(body.source)
  const { first, second } = teeStream(streamOf(body))
  body.stream = first
  return createBody({ kind: 'stream', stream: second })
}

/** Throws away what is left of a body that nobody will read. */
export function discardBody(body: Body | null, reason: unknown): void {
  if (body === null || isBodyUnusable(body)) return
  if (body.stream !== undefined) cancelStream(body.stream, reason)
  else if (body.source.kind === 'incoming') body.source.incoming.cancel()
}

/** All bytes of a body, the caller's own. Throws a `QuotaExceededError` above the limit of what is buffered. */
export async function readBytes(body: Body | null): Promise<Bytes> {
  if (body === null) return new bytes.Array(0)
  return await readSource(takeBody(body))
}

async function readSource(source: BodySource): Promise<Bytes> {
  if (source.kind === 'incoming') return await readIncoming(source.incoming)
  if (source.kind === 'stream') return await readStream(source.stream)
  return bytesOfSource(source)
}

/** All of a body as text: UTF-8, a byte order mark taken off. */
export async function readText(body: Body | null): Promise<string> {
  if (body === null) return ''
  const source = takeBody(body)
  const text = source.kind === 'text' ? source.text : source.kind === 'incoming' ? source.incoming.text() : undefined
  return withoutMark(text ?? decodeUtf8(await readSource(source)))
}

function withoutMark(text: string): string {
  return strings.charCodeAt(text, 0) === 0xfeff ? strings.slice(text, 1) : text
}

async function readIncoming(incoming: Incoming): Promise<Bytes> {
  const pieces: Bytes[] = []
  let total = 0
  for (;;) {
    let piece = incoming.next()
    if (piece === 'later') piece = await incoming.wait()
    if (piece === undefined) return joinPieces(pieces, total)
    total += bytes.byteLength(piece)
    if (total > limits.bufferedBodyBytes) {
      incoming.cancel()
      throw tooLarge()
    }
    arrays.push(pieces, piece)
  }
}

async function readStream(stream: ReadableStream): Promise<Bytes> {
  const reader = openReader(stream)
  const pieces: Bytes[] = []
  let total = 0
  for (;;) {
    const step = await reader.read()
    if (step === undefined) return joinPieces(pieces, total)
    const fault = isPiece(step.piece)
      ? undefined
      : new TypeError('a stream of a body gave something that is no Uint8Array')
    const piece = step.piece as Bytes
    if (fault === undefined) total += bytes.byteLength(piece)
    if (fault !== undefined || total > limits.bufferedBodyBytes) {
      const error = fault ?? tooLarge()
      reader.cancel(error)
      throw error
    }
    arrays.push(pieces, bytes.slice(piece))
  }
}

/** Whether a value may be a piece of a body: a Uint8Array, by its internal slot. */
export function isPiece(value: unknown): value is Uint8Array {
  return bytes.tagOf(value) === 'Uint8Array'
}

function tooLarge(): DOMException {
  const message = `the body is larger than the ${limits.bufferedBodyBytes} bytes that can be taken at once (bufferedBodyBytes); read it as a stream`
  return new DOMException(message, 'QuotaExceededError')
}

function joinPieces(pieces: readonly Bytes[], total: number): Bytes {
  if (pieces.length === 1) return pieces[0] as Bytes
  const joined = new bytes.Array(total)
  let at = 0
  for (let index = 0; index < pieces.length; index++) {
    const piece = pieces[index] as Bytes
    bytes.set(joined, piece, at)
    at += bytes.byteLength(piece)
  }
  return joined
}
