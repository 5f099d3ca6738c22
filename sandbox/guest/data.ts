/**
 * `env.DATA`: the site's bag of keys and values. The names and shapes are those of Workers KV where it has them, and each value
 * has a tag, by which `checkAndSet` changes it only if nobody else has.
 */

import { type BridgeValue, bridgeLimits, deliveries, operations } from '../bridge.ts'
import type { DataAnswer, DataArguments } from '../bridge-shapes.ts'
import { blobBytes, isBlob } from './blob.ts'
import { createBody, extractBody, readBytes, streamOf } from './body.ts'
import {
  copyOfBytes,
  isBufferSource,
  isObject,
  requireArguments,
  toDictionary,
  toDOMString,
  toEnum,
} from './convert.ts'
import { DOMException } from './dom-exception.ts'
import { nowMs } from './host.ts'
import { defineInterface, internal, requireInternal } from './idl.ts'
import { Incoming } from './incoming.ts'
import { forgetOperation, readJson, startOperation, toError } from './operations.ts'
import { arrays, bytes, json, numbers, objects, promises } from './primordials.ts'
import { isReadableStream } from './streams.ts'
import { decodeUtf8, encodeUtf8 } from './utf8.ts'

type Bytes = Uint8Array<ArrayBuffer>

const types = ['text', 'json', 'bytes', 'arrayBuffer', 'stream'] as const
type ValueType = (typeof types)[number]

/** Keys that one `list` answers at most. */
const mostListed = 1_000

/** A site's data. */
export class DataStore {
  readonly #brand = true

  constructor(key: unknown = undefined) {
    requireInternal(key)
  }

  /** The value of a key, or null: as text, or as `type` says (`text`, `json`, `bytes`, `arrayBuffer`, `stream`). */
  async get(key: unknown, type: unknown = undefined): Promise<unknown> {
    void this.#brand
    requireArguments(arguments.length, 1, 'DATA.get')
    return (await read(toKey(key), toType(type))).value
  }

  /** As {@link get}, with what was stored beside the value: `{ value, metadata, tag }`. */
  async getWithMetadata(key: unknown, type: unknown = undefined): Promise<unknown> {
    void this.#brand
    requireArguments(arguments.length, 1, 'DATA.getWithMetadata')
    return await read(toKey(key), toType(type))
  }

  /**
   * Stores a value: a string, bytes, a blob, a stream, or anything that has a JSON. `options`: `metadata` (anything small that
   * has a JSON), `expirationTtl` (seconds from now) or `expiration` (seconds since 1970). Answers the value's tag.
   */
  async put(key: unknown, value: unknown, options: unknown = undefined): Promise<unknown> {
    void this.#brand
    requireArguments(arguments.length, 2, 'DATA.put')
    const name = toKey(key)
    const given = readOptions(options)
    const { tag } = await change({ method: 'put', key: name, ...given }, await toContent(value))
    return tag
  }

  /**
   * Stores a value only if the key's value still has a tag, or, with null, only if there is none. Answers `{ done, tag }`: whether
   * it was stored, and the tag of what is there now.
   */
  async checkAndSet(key: unknown, tag: unknown, value: unknown, options: unknown = undefined): Promise<unknown> {
    void this.#brand
    requireArguments(arguments.length, 3, 'DATA.checkAndSet')
    const name = toKey(key)
    const ifTag = tag === null ? null : toDOMString(tag)
    const given = readOptions(options)
    return await change({ method: 'put', key: name, ifTag, ...given }, await toContent(value))
  }

  /** Takes a key out. `options`: `tag`, only if its value has it. Answers whether there was something to take. */
  async delete(key: unknown, options: unknown = undefined): Promise<boolean> {
    void this.#brand
    requireArguments(arguments.length, 1, 'DATA.delete')
    const name = toKey(key)
    const { tag } = toDictionary(options, 'options')
    const ifTag = tag === undefined ? undefined : toDOMString(tag)
    return (await change({ method: 'delete', key: name, ...(ifTag !== undefined && { ifTag }) }, undefined)).done
  }

  /**
   * Keys in order: those that begin with a prefix. `options` is the prefix, or `{ prefix, limit, cursor }`. Answers
   * `{ keys: [{ name, tag, bytes, metadata }], list_complete, cursor }`.
   */
  async list(options: unknown = undefined): Promise<unknown> {
    void this.#brand
    const {
      prefix = '',
      limit = mostListed,
      cursor,
    } = typeof options === 'string' ? { prefix: options } : toDictionary(options, 'options')
    const count = +(limit as number)
    if (!numbers.isInteger(count) || count < 1 || count > mostListed)
      throw new RangeError(`the limit of a list is 1 to ${mostListed}`)
    const after = cursor === undefined || cursor === null ? undefined : toDOMString(cursor)
    const args: DataArguments = {
      method: 'list',
      prefix: toDOMString(prefix),
      limit: count,
      ...(after !== undefined && { after }),
    }
    const { answer } = await perform(args, undefined)
    return toList(answer as Extract<DataAnswer, { keys: unknown }>)
  }
}
defineInterface(DataStore)

/** `env.DATA`. */
export function createData(): DataStore {
  return new DataStore(internal)
}

function toList(answer: Extract<DataAnswer, { keys: unknown }>) {
  const keys: object[] = []
  for (let index = 0; index < answer.keys.length; index++) {
    const entry = answer.keys[index]
    if (entry === undefined) continue
    const { key: name, tag, bytes: size, metadata } = entry
    arrays.push(keys, { name, tag, bytes: size, ...(metadata !== undefined && { metadata: json.parse(metadata) }) })
  }
  const { after } = answer
  return after === undefined ? { keys, list_complete: true } : { keys, list_complete: false, cursor: after }
}

function toKey(key: unknown): string {
  const text = toDOMString(key)
  if (text === '') throw new TypeError('a key of DATA is not empty')
  return text
}

function toType(type: unknown): ValueType {
  const given = isObject(type) ? (type as { readonly type?: unknown }).type : type
  return given === undefined ? 'text' : toEnum(given, types, 'the type of a value')
}

function readOptions(options: unknown): { readonly metadata?: string; readonly expiresAtMs?: number } {
  const { expiration, expirationTtl, metadata } = toDictionary(options, 'options')
  const expiresAtMs =
    expirationTtl !== undefined && expirationTtl !== null
      ? nowMs + toSeconds(expirationTtl, 'expirationTtl') * 1_000
      : expiration !== undefined && expiration !== null
        ? toSeconds(expiration, 'expiration') * 1_000
        : undefined
  const text = metadata === undefined || metadata === null ? undefined : json.stringify(metadata)
  return { ...(text !== undefined && { metadata: text }), ...(expiresAtMs !== undefined && { expiresAtMs }) }
}

function toSeconds(value: unknown, what: string): number {
  const seconds = +(value as number)
  if (!numbers.isFinite(seconds) || seconds <= 0) throw new RangeError(`${what} is not a number of seconds above 0`)
  return seconds
}

async function toContent(value: unknown): Promise<Bytes> {
  const content = await toBytes(value)
  if (bytes.byteLength(content) > bridgeLimits.operationBytes)
    throw new DOMException(`a value has at most ${bridgeLimits.operationBytes} bytes`, 'QuotaExceededError')
  return content
}

async function toBytes(value: unknown): Promise<Bytes> {
  if (typeof value === 'string') return encodeUtf8(value)
  if (isBufferSource(value)) return copyOfBytes(value, 'a value')
  if (isBlob(value)) return bytes.slice(blobBytes(value))
  if (isReadableStream(value)) return await readBytes(extractBody(value).body)
  const text = json.stringify(value) as string | undefined
  if (text === undefined) throw new TypeError('a value of DATA is a string, bytes, or something that has a JSON')
  return encodeUtf8(text)
}

async function read(key: string, type: ValueType) {
  const { answer, incoming } = await perform({ method: 'get', key }, undefined)
  const { found, tag = null, metadata } = answer as Extract<DataAnswer, { found: boolean }>
  if (!found) return { value: null, metadata: null, tag: null }
  const value = await toValue(incoming, type)
  return { value, metadata: metadata === undefined ? null : json.parse(metadata), tag }
}

async function toValue(incoming: Incoming, type: ValueType): Promise<unknown> {
  const body = createBody({ kind: 'incoming', incoming })
  if (type === 'stream') return streamOf(body)
  const content = await readBytes(body)
  if (type === 'bytes') return content
  if (type === 'arrayBuffer') return bytes.buffer(content)
  const text = decodeUtf8(content)
  return type === 'json' ? json.parse(text) : text
}

async function change(args: DataArguments, content: Bytes | undefined): Promise<{ done: boolean; tag: string | null }> {
  const { answer } = await perform(args, content)
  const { done, tag = null } = answer as Extract<DataAnswer, { done: boolean }>
  return { done, tag }
}

interface Performed {
  readonly answer: DataAnswer
  readonly incoming: Incoming
}

function perform(args: DataArguments, content: Bytes | undefined): Promise<Performed> {
  const settled = promises.withResolvers<Performed>()
  let incoming: Incoming | undefined
  const receive = (kind: number, payload: BridgeValue, data: BridgeValue) => {
    if (kind === deliveries.error) {
      forgetOperation(id)
      if (incoming === undefined) settled.reject(toError(payload))
      else incoming.fail(toError(payload))
      return
    }
    if (kind !== deliveries.answer || incoming !== undefined) {
      incoming?.receive(kind, payload)
      return
    }
    const answer = readJson<DataAnswer>(payload)
    if (answer === undefined) return
    const hasMore = objects.hasOwn(answer, 'hasBody') && (answer as { readonly hasBody: boolean }).hasBody
    const first = typeof data === 'object' ? (data as Bytes) : undefined
    incoming = new Incoming(id, first, hasMore, () => forgetOperation(id))
    settled.resolve({ answer, incoming })
  }
  const id = startOperation(operations.data, args, content, receive)
  return settled.promise
}
