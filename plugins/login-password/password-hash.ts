/**
 * Password hashes: argon2id (RFC 9106), kept in the PHC string form with their own parameters.
 *
 * Because every hash carries the cost it was made with, the cost can be raised at any time: old hashes still verify,
 * and are made anew when their owner next signs in.
 */

import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { GroveError } from '../../core/errors.ts'

/** What one hash costs to compute, and so what one guess costs an attacker. */
export interface HashCost {
  /** Memory in KiB: 8 to 1,048,576. */
  readonly memoryKiB: number
  /** Passes over the memory: 1 to 100. */
  readonly passes: number
  /** Lanes: 1 to 16. */
  readonly lanes: number
}

/** What OWASP recommends for argon2id as of 2025: 19 MiB, 2 passes, 1 lane; about 20 ms of one core. */
export const defaultHashCost: HashCost = { memoryKiB: 19_456, passes: 2, lanes: 1 }

/** Longest password in bytes of UTF-8 after normalising; a longer one never verifies. */
export const maxPasswordBytes = 256

const saltBytes = 16
const tagBytes = 32
const argon2Async = promisify(argon2)

const phcPattern =
  /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/

interface ParsedHash {
  readonly cost: HashCost
  readonly salt: Buffer
  readonly tag: Buffer
}

/** The hash of a password in PHC string form, `$argon2id$v=19$m=…,t=…,p=…$salt$tag`, with a new random salt. */
export async function hashPassword(password: string, cost: HashCost): Promise<string> {
  const salt = randomBytes(saltBytes)
  return formatHash({ cost, salt, tag: await computeTag(password, salt, cost, tagBytes) })
}

/**
 * Whether a password is the one behind a hash. Compares in constant time. Throws `ERR_DATA_FORMAT` when the hash is
 * not one of {@link hashPassword}.
 */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const { cost, salt, tag } = parseHash(hash)
  return timingSafeEqual(await computeTag(password, salt, cost, tag.length), tag)
}

/** A hash that no password has, at the same cost: verifying against it takes as long as against a real one. */
export function unmatchedHash(cost: HashCost): string {
  return formatHash({ cost, salt: randomBytes(saltBytes), tag: randomBytes(tagBytes) })
}

/** Whether a hash was made with another cost than this and should be made anew. Throws `ERR_DATA_FORMAT`. */
export function isOutdated(hash: string, cost: HashCost): boolean {
  const { memoryKiB, passes, lanes } = parseHash(hash).cost
  return memoryKiB !== cost.memoryKiB || passes !== cost.passes || lanes !== cost.lanes
}

/** The size of a password in bytes, as {@link maxPasswordBytes} counts. */
export function passwordBytes(password: string): number {
  return Buffer.byteLength(normalize(password))
}

/** One password can be typed as different code points on different keyboards; NFC makes them the same bytes. */
function normalize(password: string): string {
  return password.normalize('NFC')
}

function computeTag(password: string, salt: Buffer, cost: HashCost, bytes: number): Promise<Buffer> {
  return argon2Async('argon2id', {
    message: normalize(password),
    nonce: salt,
    memory: cost.memoryKiB,
    passes: cost.passes,
    parallelism: cost.lanes,
    tagLength: bytes,
  })
}

function formatHash({ cost, salt, tag }: ParsedHash): string {
  const parameters = `m=${cost.memoryKiB},t=${cost.passes},p=${cost.lanes}`
  return `$argon2id$v=19$${parameters}$${unpadded(salt)}$${unpadded(tag)}`
}

function parseHash(hash: string): ParsedHash {
  const match = phcPattern.exec(hash)
  // The hash itself is a secret: the message does not quote it.
  if (!match) throw new GroveError('ERR_DATA_FORMAT', 'a stored password hash is not an argon2id PHC string')
  const [, memoryKiB, passes, lanes, salt = '', tag = ''] = match
  return {
    cost: { memoryKiB: Number(memoryKiB), passes: Number(passes), lanes: Number(lanes) },
    salt: Buffer.from(salt, 'base64'),
    tag: Buffer.from(tag, 'base64'),
  }
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '')
}
