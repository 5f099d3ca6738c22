/** Crypto (Web Cryptography API, section 10): random values; `subtle` stands in subtle.ts. */

import { bridgeLimits, ops } from '../bridge.ts'
import { bytesOf, requireArguments } from './convert.ts'
import { DOMException } from './dom-exception.ts'
import { call } from './host.ts'
import { defineInterface, internal, requireInternal } from './idl.ts'
import { arrays, bytes, numbers, strings } from './primordials.ts'
import { createSubtle, type SubtleCrypto } from './subtle.ts'

const integerTags = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'BigInt64Array',
  'BigUint64Array',
] as const

/** Random bytes are taken from the host so many at a time. */
const poolBytes = 4_096
let pool: Uint8Array = new Uint8Array(0)
let taken = 0

/** Randomness and `subtle`. */
export class Crypto {
  readonly #subtle = createSubtle()

  constructor(key: unknown = undefined) {
    requireInternal(key)
  }

  get subtle(): SubtleCrypto {
    return this.#subtle
  }

  getRandomValues<T>(array: T): T {
    requireArguments(arguments.length, 1, 'Crypto.getRandomValues')
    void this.#subtle
    if (!bytes.isView(array)) throw new TypeError('getRandomValues: the argument is not a typed array')
    const tag = bytes.tagOf(array)
    if (tag === undefined || !arrays.includes(integerTags, tag as 'Int8Array'))
      throw new DOMException('getRandomValues fills arrays of integers only', 'TypeMismatchError')
    const view = bytesOf(array, 'the argument')
    if (bytes.byteLength(view) > bridgeLimits.randomBytes)
      throw new DOMException(`getRandomValues fills at most ${bridgeLimits.randomBytes} bytes`, 'QuotaExceededError')
    fillRandom(view)
    return array
  }

  randomUUID(): string {
    void this.#subtle
    const octets = new bytes.Array(16)
    fillRandom(octets)
    // RFC 9562 section 5.4: version 4, variant 10.
    octets[6] = ((octets[6] as number) & 0x0f) | 0x40
    octets[8] = ((octets[8] as number) & 0x3f) | 0x80
    let text = ''
    for (let index = 0; index < 16; index++) {
      if (index === 4 || index === 6 || index === 8 || index === 10) text += '-'
      text += hex[octets[index] as number]
    }
    return text
  }
}
defineInterface(Crypto)

const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  strings.padStart(numbers.toString(byte, 16), 2, '0'),
)

/** The global `crypto`. */
export const crypto = new Crypto(internal)

function fillRandom(target: Uint8Array): void {
  const size = bytes.byteLength(target)
  if (size === 0) return
  if (size > poolBytes / 4) {
    bytes.set(target, random(size))
    return
  }
  if (taken + size > bytes.byteLength(pool)) {
    pool = random(poolBytes)
    taken = 0
  }
  bytes.set(target, bytes.subarray(pool, taken, taken + size))
  // What was given out once is not there a second time, whatever happens.
  bytes.fill(pool, 0, taken, taken + size)
  taken += size
}

function random(count: number): Uint8Array {
  const answer = call(ops.random, count)
  if (typeof answer !== 'object') throw new DOMException('there are no random bytes', 'OperationError')
  return answer
}
