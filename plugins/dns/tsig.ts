/**
 * Signing messages of the DNS with a shared secret (TSIG, RFC 8945).
 *
 * It defends against whoever can send to the server, or answer in its place, and does not know the secret; answers are
 * held to it as well. Nothing is hidden: a record of ours is public anyway.
 */

import { createHmac, timingSafeEqual } from 'node:crypto'
import { classes, type ReadMessage, readName, types, writeName, writeRecord } from './dns-message.ts'

/** Algorithms, by the names that servers and `tsig-keygen` write. */
export const algorithms = { 'hmac-sha256': 'sha256', 'hmac-sha384': 'sha384', 'hmac-sha512': 'sha512' } as const

/** A key that a server knows as well. */
export interface TsigKey {
  /** Lower case, without the last dot. */
  readonly name: string
  readonly algorithm: keyof typeof algorithms
  readonly secret: Buffer
}

/** How far two clocks may differ, in seconds. */
const fudgeSeconds = 300

/** What a signature of an answer was found to be. */
export type TsigVerdict = 'good' | 'unsigned' | 'wrong' | 'late'

/** Errors in the signature of an answer: RFC 8945 section 3. */
export const tsigErrors = { signature: 16, key: 17, time: 18 } as const

/** A signed message, and its signature, which the answer's is made with. */
export function signMessage(message: Buffer, key: TsigKey, nowMs: number): { signed: Buffer; mac: Buffer } {
  const time = writeTime(Math.floor(nowMs / 1_000))
  const mac = hmac(key, [message, variables(key, time, Buffer.alloc(4))])
  const signed = Buffer.concat([
    message,
    writeRecord({
      name: key.name,
      type: types.tsig,
      class: classes.any,
      ttlSeconds: 0,
      data: tsigData(key, time, mac, message),
    }),
  ])
  signed.writeUInt16BE(message.readUInt16BE(10) + 1, 10)
  return { signed, mac }
}

/** Whether an answer is signed by whoever has the key, for the request with this signature, and now. */
export function verifyAnswer(
  bytes: Buffer,
  { records }: ReadMessage,
  key: TsigKey,
  requestMac: Buffer,
  nowMs: number,
): { verdict: TsigVerdict; error: number } {
  const tsig = records.at(-1)
  if (!tsig || tsig.type !== types.tsig || tsig.class !== classes.any) return { verdict: 'unsigned', error: 0 }
  const { name: algorithm, endOffset: at } = readName(bytes, tsig.dataOffset)
  const macEnd = at + 10 + bytes.readUInt16BE(at + 8)
  const error = bytes.readUInt16BE(macEnd + 2)
  const mac = bytes.subarray(at + 10, macEnd)
  const tail = bytes.subarray(macEnd + 2, tsig.endOffset)
  if (tail.length < 4) throw new RangeError('the signature is cut off')
  // The message as it was before it was signed: RFC 8945 section 5.3.
  const message = Buffer.from(bytes.subarray(0, tsig.offset))
  message.writeUInt16BE(bytes.readUInt16BE(macEnd), 0)
  message.writeUInt16BE(message.readUInt16BE(10) - 1, 10)
  const time = bytes.subarray(at, at + 8)
  const expected = hmac(key, [writeLength(requestMac), requestMac, message, variables(key, time, tail)])
  const isOurs = tsig.name === key.name && algorithm === key.algorithm
  if (!isOurs || mac.length !== expected.length || !timingSafeEqual(mac, expected))
    return { verdict: mac.length === 0 ? 'unsigned' : 'wrong', error }
  const apartSeconds = Math.abs(time.readUIntBE(0, 6) - nowMs / 1_000)
  return { verdict: apartSeconds > fudgeSeconds ? 'late' : 'good', error }
}

/** What is signed besides the message: RFC 8945 section 4.3.3. `tail`: error, length of other data, other data. */
function variables(key: TsigKey, time: Buffer, tail: Buffer): Buffer {
  const fixed = Buffer.alloc(6)
  fixed.writeUInt16BE(classes.any, 0)
  return Buffer.concat([writeName(key.name), fixed, writeName(key.algorithm), time, tail])
}

function tsigData(key: TsigKey, time: Buffer, mac: Buffer, message: Buffer): Buffer {
  return Buffer.concat([writeName(key.algorithm), time, writeLength(mac), mac, message.subarray(0, 2), Buffer.alloc(4)])
}

/** The time and how far it may be off. */
function writeTime(seconds: number): Buffer {
  const time = Buffer.alloc(8)
  time.writeUIntBE(seconds, 0, 6)
  time.writeUInt16BE(fudgeSeconds, 6)
  return time
}

function writeLength(bytes: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(bytes.length)
  return length
}

function hmac({ algorithm, secret }: TsigKey, parts: readonly Buffer[]): Buffer {
  const made = createHmac(algorithms[algorithm], secret)
  for (const part of parts) made.update(part)
  return made.digest()
}
