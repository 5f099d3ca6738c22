/**
 * Sends an answer's body into a connection or stream, whatever kind of body it is, no faster than the client takes it.
 *
 * A body is owned from the moment it is given: its file is closed and its stream destroyed on every way out. One that
 * fails midway, or is not as long as its headers say, cuts the connection: a cut answer never looks whole.
 */

import { close, createReadStream } from 'node:fs'
import { Readable, type Writable } from 'node:stream'
import type { Body, FileSlice } from '../core/exchange.ts'
import { type HeaderList, hopByHopHeaders, isValidHeader } from '../core/headers.ts'

/** Bytes are handed to a connection in pieces of this size, so that a slow client holds no copy of a big body. */
const pieceBytes = 65_536

/** Where a body goes. */
export interface Sink {
  readonly stream: Writable
  /** Sends the last bytes, if any, and the end of the answer. */
  end(bytes?: Uint8Array): void
  /** Breaks the answer off so that the client sees it. */
  cut(): void
}

/** What has been sent. */
export interface Progress {
  sentBytes: number
}

/** The headers of an answer as they go out, and what its body has to be. */
export interface AnswerPlan {
  readonly headers: string[]
  /** False for HEAD, 204 and 304 (RFC 9110 sections 9.3.2, 15.3.5, 15.4.5), and when there is no body. */
  readonly hasBody: boolean
  /** The length that the headers say. */
  readonly declaredBytes: number | undefined
}

/**
 * Plans an answer: headers of one hop go (RFC 9110 section 7.6.1; framing is the adapter's), Content-Length comes where
 * the length is known. Throws `TypeError` for a status or header that cannot be sent, and for a length without a body.
 */
export function planAnswer(method: string, status: number, headers: HeaderList, body: Body): AnswerPlan {
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new TypeError(`expected a status of 200 to 599, found ${status}`)
  const bodyless = method === 'HEAD' || status === 204 || status === 304
  const sent: string[] = []
  let declared: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (!isValidHeader(name, value)) throw new TypeError(`header "${name}" has a character that no header may have`)
    if (hopByHopHeaders.has(name) || (name === 'content-length' && status === 204)) continue
    if (name === 'content-length') {
      if (declared !== undefined || !/^\d{1,15}$/.test(value)) throw new TypeError('expected one Content-Length')
      declared = value
    }
    sent.push(name, value)
  }
  const known = knownBytes(body)
  if (body === undefined && !bodyless && Number(declared ?? 0) > 0)
    throw new TypeError(`expected a body of ${declared} bytes, found none`)
  if (declared === undefined && known !== undefined && status !== 204 && (!bodyless || known > 0)) {
    declared = String(known)
    sent.push('content-length', declared)
  }
  return {
    headers: sent,
    hasBody: !bodyless && body !== undefined,
    declaredBytes: declared === undefined || bodyless ? undefined : Number(declared),
  }
}

/** Sends a body whose headers have gone out. Never throws. */
export function writeBody(sink: Sink, body: Exclude<Body, undefined>, declared: number | undefined): Progress {
  const progress: Progress = { sentBytes: 0 }
  const known = knownBytes(body)
  if (known !== undefined && declared !== undefined && known !== declared) {
    disposeBody(body)
    sink.cut()
  } else if (body instanceof Uint8Array) writeBytes(sink, body, progress)
  else if (body instanceof Readable) writeStream(sink, body, { progress, declared })
  else writeSlice(sink, body, progress)
  return progress
}

/** Frees a body that is not sent: closes the file, destroys the stream. */
export function disposeBody(body: Body): void {
  if (body === undefined || body instanceof Uint8Array) return
  if (body instanceof Readable) {
    body.on('error', () => {}) // Nobody else may be listening any more, and its fate matters to no one now.
    body.destroy()
  } else closeFile(body.fd)
}

function knownBytes(body: Body): number | undefined {
  if (body === undefined) return 0
  return body instanceof Readable ? undefined : body.length
}

function closeFile(fd: number): void {
  // The descriptor is gone either way, and there is nobody to tell.
  close(fd, () => {})
}

function writeBytes(sink: Sink, bytes: Uint8Array, progress: Progress): void {
  const { stream } = sink
  const more = () => {
    let flowing = true
    while (flowing && bytes.length - progress.sentBytes > pieceBytes) {
      const piece = bytes.subarray(progress.sentBytes, progress.sentBytes + pieceBytes)
      progress.sentBytes += pieceBytes
      flowing = stream.write(piece)
    }
    if (!flowing) return
    stream.off('drain', more)
    const rest = bytes.subarray(progress.sentBytes)
    progress.sentBytes = bytes.length
    sink.end(rest)
  }
  if (bytes.length > pieceBytes) stream.on('drain', more)
  more()
}

function writeSlice(sink: Sink, slice: FileSlice, progress: Progress): void {
  if (slice.length === 0) {
    closeFile(slice.fd)
    sink.end()
    return
  }
  const start = slice.offset
  // A ReadStream closes its file only when no read is under way, so the number cannot come to mean another file.
  const file = createReadStream('', {
    fd: slice.fd,
    start,
    end: start + slice.length - 1,
    highWaterMark: pieceBytes,
    autoClose: true,
  })
  writeStream(sink, file, { progress, declared: slice.length })
}

function writeStream(
  sink: Sink,
  body: Readable,
  { progress, declared }: { readonly progress: Progress; readonly declared: number | undefined },
): void {
  const { stream } = sink
  let over = false
  const finish = (whole: boolean) => {
    if (over) return
    over = true
    stream.off('drain', resume)
    stream.off('close', gone)
    if (whole) sink.end()
    else sink.cut()
    disposeBody(body)
  }
  const resume = () => body.resume()
  const gone = () => finish(false)
  stream.on('drain', resume)
  stream.on('close', gone)
  body.on('data', (chunk: Buffer | string) => {
    if (over) return
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk
    progress.sentBytes += bytes.length
    if (declared !== undefined && progress.sentBytes > declared) finish(false)
    else if (!stream.write(bytes)) body.pause()
  })
  body.on('end', () => finish(declared === undefined || progress.sentBytes === declared))
  body.on('error', () => finish(false))
  body.on('close', () => finish(false))
  // A stream that ended or failed before it was given to us tells nothing any more.
  if (body.readableEnded) finish(declared === undefined || declared === 0)
  else if (body.destroyed) finish(false)
}
