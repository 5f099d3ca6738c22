/** Sends a body to the host: whole with its head where it is here and small, else piece by piece as the host takes them. */

import type { ReadableStream } from 'web-streams-polyfill'
import { blobBytes } from './blob.ts'
import { type Body, type BodySource, isPiece, takeBody } from './body.ts'
import { describeJson } from './errors.ts'
import type { Incoming } from './incoming.ts'
import { cutText, type Outgoing } from './outgoing.ts'
import { bytes, numbers, strings } from './primordials.ts'
import { openReader } from './streams.ts'

/** What goes along with a head, and what is left to be sent after it. */
export interface FirstPart {
  /** A text (sent as UTF-8) or bytes that the prelude gives away; undefined if nothing goes along. */
  readonly first: string | Uint8Array | undefined
  /** Sends the rest and ends the body; undefined if all of it went along. It settles when the body has ended, and never rejects. */
  readonly rest: ((outgoing: Outgoing) => Promise<void>) | undefined
}

/**
 * Takes a body for sending: it counts as read. `mostBytes` is how much may go along with the head. Throws a TypeError when it
 * cannot be read. `onBroken` is told what broke a stream.
 */
export function prepareBody(body: Body, mostBytes: number, onBroken: (error: unknown) => void): FirstPart {
  const source = takeBody(body)
  if (source.kind === 'text') return prepareText(source.text, mostBytes)
  if (source.kind === 'incoming')
    return { first: undefined, rest: (outgoing) => sendIncoming(outgoing, source.incoming, onBroken) }
  if (source.kind === 'stream')
    return { first: undefined, rest: (outgoing) => sendStream(outgoing, source.stream, onBroken) }
  return prepareBytes(source, mostBytes)
}

function prepareText(text: string, mostBytes: number): FirstPart {
  const chars = numbers.floor(mostBytes / 3)
  if (text.length <= chars) return { first: text, rest: undefined }
  const cut = cutText(text, 0, chars)
  const rest = async (outgoing: Outgoing) => {
    await outgoing.sendText(text, cut)
    outgoing.end()
  }
  return { first: strings.slice(text, 0, cut), rest }
}

function prepareBytes(source: Extract<BodySource, { kind: 'bytes' | 'blob' }>, mostBytes: number): FirstPart {
  const data = source.kind === 'bytes' ? source.bytes : blobBytes(source.blob)
  if (bytes.byteLength(data) <= mostBytes) return { first: bytes.slice(data), rest: undefined }
  const rest = async (outgoing: Outgoing) => {
    await outgoing.sendBytes(bytes.subarray(data, mostBytes))
    outgoing.end()
  }
  return { first: bytes.slice(data, 0, mostBytes), rest }
}

async function sendIncoming(outgoing: Outgoing, incoming: Incoming, onBroken: (error: unknown) => void): Promise<void> {
  outgoing.whenOver(() => incoming.cancel())
  try {
    while (!outgoing.isOver) {
      if (outgoing.isFull) await outgoing.ready()
      let piece = incoming.next()
      if (piece === 'later') piece = await incoming.wait()
      if (piece === undefined) break
      await outgoing.sendBytes(piece, true)
    }
    outgoing.end()
  } catch (error) {
    onBroken(error)
    outgoing.abort(describeJson(error))
  }
}

async function sendStream(
  outgoing: Outgoing,
  stream: ReadableStream,
  onBroken: (error: unknown) => void,
): Promise<void> {
  const reader = openReader(stream)
  // The stream learns at once that nobody wants it, even while it is waited for.
  outgoing.whenOver(() => reader.cancel(undefined))
  try {
    while (!outgoing.isOver) {
      if (outgoing.isFull) await outgoing.ready()
      const step = await reader.read()
      if (step === undefined) break
      if (!isPiece(step.piece)) throw new TypeError('a stream of a body gave something that is no Uint8Array')
      await outgoing.sendBytes(step.piece)
    }
    outgoing.end()
  } catch (error) {
    onBroken(error)
    outgoing.abort(describeJson(error))
  }
}
