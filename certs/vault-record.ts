/**
 * Records as objects. A record is never overwritten: each write makes a new object, named by the key and a number, and
 * the highest number counts.
 *
 * The number is that of the lease under which it was written (0 for none) times 10^9, and a count. So what a later
 * holder of a lease wrote stands above all that an earlier one may still write, whoever comes first: no clock is needed.
 *
 * An object is the line `grove record 1 <SHA-256 of what follows>`, a line feed, and JSON that repeats key and number:
 * half an object, a changed one or one under another's name is found out. With a keyring the whole is sealed for that
 * name. That defends against whoever can read or change the place, but not against a newer object being taken away.
 */

import { hash } from 'node:crypto'
import { z } from 'zod'
import { GroveError, isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Environment } from '../store/environment.ts'
import type { Keyring } from '../store/segments/keyring.ts'
import { isSealed, openBytes, sealBytes } from '../store/segments/sealed-bytes.ts'

/** One object of a key. */
export interface Revision {
  readonly number: number
  /** It says that the record was removed. */
  readonly isGone: boolean
}

/** What is sealed, and with what. */
export interface RecordSeal {
  readonly env: Environment
  readonly keyring?: Keyring | undefined
  /**
   * Whether a record that is not sealed is taken although there is a keyring: where nobody else can write, it is one
   * from before there were keys.
   */
  readonly isPlainTaken: boolean
}

const keyPattern = /^[a-z0-9][a-z0-9_-]{0,95}(?:\/[a-z0-9][a-z0-9_-]{0,95}){0,4}$/
const objectPattern = /^((?:[a-z0-9_-]+\/)*)[0-9a-f]{2}\/([a-z0-9_-]+)\.(\d{16})(\.gone)?$/
const headPattern = /^grove record 1 ([0-9a-f]{64})$/
const owner = 'certs'

/** Counts of one lease; together with the highest lease they stay below 2^53. */
const counts = 1_000_000_000

/** The highest number of a lease. */
export const mostLeases: number = Math.floor(Number.MAX_SAFE_INTEGER / counts) - 1

const bodySchema = z.strictObject({ key: z.string(), number: z.int(), writer: z.string(), text: z.string() })

/** The text, which has to be a key of a record. Throws `ERR_BAD_REQUEST`. */
export function checkRecordKey(key: string): string {
  if (keyPattern.test(key)) return key
  throw new GroveError('ERR_BAD_REQUEST', `${JSON.stringify(String(key).slice(0, 80))} is not a key of the vault`)
}

/** The lease under which a number was written; 0 for none. */
export function leaseOf(number: number): number {
  return Math.floor(number / counts)
}

/** The number of the first write under a lease. */
export function firstNumber(lease: number): number {
  return lease * counts + 1
}

/** The number after another, under the same lease. Throws `ERR_TOO_MANY` after 10^9 writes. */
export function numberAfter(number: number): number {
  if ((number + 1) % counts !== 0) return number + 1
  throw new GroveError('ERR_TOO_MANY', `there is no number after ${number} for another write`)
}

/**
 * What all objects of a key begin with. They lie in one of 256 folders, by the hash of the last word: a folder of
 * 100,000 records would be slow to look through.
 */
export function objectsOf(key: string): string {
  const slash = key.lastIndexOf('/') + 1
  const word = key.slice(slash)
  const shard = hash('sha256', word).slice(0, 2)
  return `${key.slice(0, slash)}${shard}/${word}.`
}

/** The object of a revision. */
export function objectOf(key: string, { number, isGone }: Revision): string {
  return `${objectsOf(key)}${String(number).padStart(16, '0')}${isGone ? '.gone' : ''}`
}

/** The key and the revision of an object; undefined for an object that is none of a record. */
export function parseObject(object: string): (Revision & { readonly key: string }) | undefined {
  const [, folder = '', word = '', digits = '', gone] = objectPattern.exec(object) ?? []
  const key = folder + word
  const revision = { number: Number(digits), isGone: gone !== undefined }
  return word !== '' && objectOf(key, revision) === object ? { key, ...revision } : undefined
}

/** Newest first; of a record and a removal with one number the removal is newer. */
export function byAge(one: Revision, other: Revision): number {
  return other.number - one.number || Number(other.isGone) - Number(one.isGone)
}

/** A record as the bytes of its object, never twice the same. Throws `ERR_TOO_LARGE` over `limits.cert.recordBytes`. */
export function encodeRecord(key: string, number: number, text: string, { env, keyring }: RecordSeal): Buffer {
  const bytes = Buffer.byteLength(text)
  if (bytes > limits.cert.recordBytes)
    throw new GroveError('ERR_TOO_LARGE', `record ${key}: ${bytes} bytes, ${limits.cert.recordBytes} are the most`)
  const body = JSON.stringify({ key, number, writer: env.randomBytes(16).toString('hex'), text })
  const plain = Buffer.from(`grove record 1 ${sumOf(body)}\n${body}`)
  return keyring ? sealBytes(keyring, env, { owner, name: objectOf(key, { number, isGone: false }) }, plain) : plain
}

/** How many bytes an object of a record has at most: JSON writes a control character as six. */
export const mostObjectBytes: number = limits.cert.recordBytes * 6 + 4_096

/**
 * The text in the bytes of an object. Throws `ERR_CERT` (`details.reason`: `damaged`) for what is not whole, is another
 * record, or was not sealed and has to be; `ERR_KEY_MISSING` when it is sealed with a key that is not configured.
 */
export function decodeRecord(bytes: Buffer, key: string, number: number, seal: RecordSeal): string {
  const name = objectOf(key, { number, isGone: false })
  const text = open(bytes, name, seal).toString('utf8')
  const line = text.indexOf('\n')
  const [, sum] = headPattern.exec(text.slice(0, Math.max(line, 0))) ?? []
  const body = text.slice(line + 1)
  if (sum === undefined) throw damaged(name, 'it does not begin as a record does')
  if (sum !== sumOf(body)) throw damaged(name, 'it is cut off or was changed')
  const parsed = bodySchema.safeParse(parse(body))
  if (!parsed.success) throw damaged(name, 'it has not the fields of a record')
  if (parsed.data.key !== key || parsed.data.number !== number) throw damaged(name, 'it is that of another place')
  return parsed.data.text
}

/** Whether something thrown says that a record is damaged. */
export function isDamagedRecord(thrown: unknown): thrown is GroveError {
  return isGroveError(thrown, 'ERR_CERT') && thrown.details?.['reason'] === 'damaged'
}

function open(bytes: Buffer, name: string, { keyring, isPlainTaken }: RecordSeal): Buffer {
  if (!isSealed(bytes)) {
    if (!keyring || isPlainTaken) return bytes
    throw damaged(name, 'it is not sealed, and has to be since encryption keys are configured')
  }
  try {
    return openBytes(keyring, { owner, name }, bytes)
  } catch (error) {
    if (isGroveError(error, 'ERR_KEY_MISSING')) throw error
    throw damaged(name, 'its seal is broken', error)
  }
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

function sumOf(body: string): string {
  return hash('sha256', body)
}

/** A record that cannot be used. */
export function damaged(name: string, why: string, cause?: unknown): GroveError {
  return new GroveError('ERR_CERT', `record ${name} of the vault is damaged: ${why}`, {
    cause,
    details: { reason: 'damaged', record: name },
  })
}

/** Somebody else was first, or too many are at it. */
export function raced(key: string, why: string): GroveError {
  return new GroveError('ERR_CERT_RACED', `record ${key} of the vault: ${why}`)
}
