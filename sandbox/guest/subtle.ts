/**
 * SubtleCrypto (Web Cryptography API, section 14). Arguments are converted here; the host, which has the keys, does the work
 * and all checks with Node's own Web Crypto, off the thread of the site, under caps.
 */

import { bridgeLimits, deliveries, operations, ops } from '../bridge.ts'
import { forgottenKeyName, type SubtleAnswer } from '../bridge-shapes.ts'
import { requireArguments, toDOMString, toUnsignedLong } from './convert.ts'
import type { CryptoKey, KeyImport, KeyState } from './crypto-key.ts'
import { keyStateOf } from './crypto-key.ts'
import { DOMException } from './dom-exception.ts'
import { call } from './host.ts'
import { defineInterface, internal, requireInternal } from './idl.ts'
import { forgetOperation, readJson, startOperation, toError } from './operations.ts'
import { arrays, bytes, maps, promises, strings } from './primordials.ts'
import {
  nameOf,
  readAlgorithm,
  readBytes,
  readJwk,
  readKey,
  readResult,
  readUsages,
  writeArguments,
} from './subtle-values.ts'

type Bytes = Uint8Array<ArrayBuffer>

/** What `digest` does in one call, without a wait. MD5 is not of the standard; old formats need it. */
const digests: ReadonlyMap<string, string> = new Map([
  ['sha-1', 'SHA-1'],
  ['sha-256', 'SHA-256'],
  ['sha-384', 'SHA-384'],
  ['sha-512', 'SHA-512'],
  ['md5', 'MD5'],
])

/** Cryptography with keys. */
export class SubtleCrypto {
  readonly #brand = true

  constructor(key: unknown = undefined) {
    requireInternal(key)
  }

  async encrypt(algorithm: unknown, key: unknown, data: unknown): Promise<unknown> {
    this.#require(arguments.length, 3, 'encrypt')
    return await run('encrypt', [readAlgorithm(algorithm), readKey(key, 'the key'), readBytes(data, 'the data')])
  }

  async decrypt(algorithm: unknown, key: unknown, data: unknown): Promise<unknown> {
    this.#require(arguments.length, 3, 'decrypt')
    return await run('decrypt', [readAlgorithm(algorithm), readKey(key, 'the key'), readBytes(data, 'the data')])
  }

  async sign(algorithm: unknown, key: unknown, data: unknown): Promise<unknown> {
    this.#require(arguments.length, 3, 'sign')
    return await run('sign', [readAlgorithm(algorithm), readKey(key, 'the key'), readBytes(data, 'the data')])
  }

  async verify(algorithm: unknown, key: unknown, signature: unknown, data: unknown): Promise<unknown> {
    this.#require(arguments.length, 4, 'verify')
    const first: unknown[] = [readAlgorithm(algorithm), readKey(key, 'the key')]
    arrays.push(first, readBytes(signature, 'the signature'), readBytes(data, 'the data'))
    return await run('verify', first)
  }

  async digest(algorithm: unknown, data: unknown): Promise<unknown> {
    this.#require(arguments.length, 2, 'digest')
    const read = readAlgorithm(algorithm)
    const content = readBytes(data, 'the data')
    return digestAtOnce(nameOf(read), content) ?? (await run('digest', [read, content]))
  }

  async generateKey(algorithm: unknown, extractable: unknown, usages: unknown): Promise<unknown> {
    this.#require(arguments.length, 3, 'generateKey')
    return await run('generateKey', [readAlgorithm(algorithm), !!extractable, readUsages(usages)])
  }

  async deriveKey(
    algorithm: unknown,
    baseKey: unknown,
    derivedKeyType: unknown,
    extractable: unknown,
    usages: unknown,
  ): Promise<unknown> {
    this.#require(arguments.length, 5, 'deriveKey')
    const first: unknown[] = [readAlgorithm(algorithm), readKey(baseKey, 'the base key'), readAlgorithm(derivedKeyType)]
    arrays.push(first, !!extractable, readUsages(usages))
    return await run('deriveKey', first)
  }

  async deriveBits(algorithm: unknown, baseKey: unknown, length: unknown = null): Promise<unknown> {
    this.#require(arguments.length, 2, 'deriveBits')
    const first: unknown[] = [readAlgorithm(algorithm), readKey(baseKey, 'the base key')]
    arrays.push(first, length === null || length === undefined ? null : toUnsignedLong(length))
    return await run('deriveBits', first)
  }

  async importKey(
    format: unknown,
    keyData: unknown,
    algorithm: unknown,
    extractable: unknown,
    usages: unknown,
  ): Promise<unknown> {
    this.#require(arguments.length, 5, 'importKey')
    const kind = toDOMString(format)
    const data = kind === 'jwk' ? readJwk(keyData) : readBytes(keyData, 'the data of a key')
    const args = [kind, data, readAlgorithm(algorithm), !!extractable, readUsages(usages)]
    return await run('importKey', args, { args })
  }

  async exportKey(format: unknown, key: unknown): Promise<unknown> {
    this.#require(arguments.length, 2, 'exportKey')
    return await run('exportKey', [toDOMString(format), readKey(key, 'the key')])
  }

  async wrapKey(format: unknown, key: unknown, wrappingKey: unknown, wrapAlgorithm: unknown): Promise<unknown> {
    this.#require(arguments.length, 4, 'wrapKey')
    const first: unknown[] = [toDOMString(format), readKey(key, 'the key'), readKey(wrappingKey, 'the wrapping key')]
    arrays.push(first, readAlgorithm(wrapAlgorithm))
    return await run('wrapKey', first)
  }

  async unwrapKey(
    format: unknown,
    wrappedKey: unknown,
    unwrappingKey: unknown,
    unwrapAlgorithm: unknown,
    unwrappedKeyAlgorithm: unknown,
    extractable: unknown,
    usages: unknown,
  ): Promise<unknown> {
    this.#require(arguments.length, 7, 'unwrapKey')
    const first: unknown[] = [
      toDOMString(format),
      readBytes(wrappedKey, 'the wrapped key'),
      readKey(unwrappingKey, 'the key'),
    ]
    arrays.push(first, readAlgorithm(unwrapAlgorithm), readAlgorithm(unwrappedKeyAlgorithm), !!extractable)
    arrays.push(first, readUsages(usages))
    return await run('unwrapKey', first)
  }

  #require(given: number, required: number, method: string): void {
    void this.#brand
    requireArguments(given, required, `SubtleCrypto.${method}`)
  }
}
defineInterface(SubtleCrypto)

/** The one `crypto.subtle`. */
export function createSubtle(): SubtleCrypto {
  return new SubtleCrypto(internal)
}

function digestAtOnce(name: string, content: Bytes): ArrayBuffer | undefined {
  const known = maps.get(digests, strings.toLowerCase(name))
  if (known === undefined || bytes.byteLength(content) > bridgeLimits.digestBytes) return undefined
  const answer = call(ops.digest, known, content)
  return typeof answer === 'object' ? (bytes.buffer(answer) as ArrayBuffer) : undefined
}

/** Does it, and once more where the host has forgotten a key that it can be given again. */
async function run(method: string, values: readonly unknown[], imported?: KeyImport): Promise<unknown> {
  const written = writeArguments(values)
  const outcome = await perform(method, written)
  if (!outcome.isForgotten) return readOutcome(outcome, imported)
  for (let index = 0; index < written.keys.length; index++) await importAgain(written.keys[index] as KeyState)
  return readOutcome(await perform(method, writeArguments(values)), imported)
}

interface Outcome {
  readonly isForgotten: boolean
  readonly error: unknown
  readonly answer: SubtleAnswer | undefined
  readonly content: Bytes
}

function readOutcome(outcome: Outcome, imported: KeyImport | undefined): unknown {
  if (outcome.isForgotten) throw new DOMException('the key is not kept any more', 'OperationError')
  if (outcome.answer === undefined) throw outcome.error
  return readResult(outcome.answer, outcome.content, imported)
}

async function importAgain(key: KeyState): Promise<void> {
  const { imported } = key
  if (imported === undefined) return
  const outcome = await perform('importKey', writeArguments(imported.args))
  const again = keyStateOf(readOutcome(outcome, undefined))
  if (again !== undefined) key.handle = again.handle
}

function perform(method: string, written: ReturnType<typeof writeArguments>): Promise<Outcome> {
  const { args, parts, bytes: content } = written
  const settled = promises.withResolvers<Outcome>()
  const none = new bytes.Array(0)
  const id = startOperation(operations.subtle, { method, args, parts }, content, (kind, payload, data) => {
    forgetOperation(id)
    const answer = kind === deliveries.answer ? readJson<SubtleAnswer>(payload) : undefined
    const error = answer === undefined ? toError(payload) : undefined
    settled.resolve({
      isForgotten: error?.name === forgottenKeyName,
      error,
      answer,
      content: typeof data === 'object' ? (data as Bytes) : none,
    })
  })
  return settled.promise
}

export type { CryptoKey }
