/**
 * What callers give, as plain data of the right types. It goes to another thread in one message with what others ask:
 * a value that cannot be sent must not stop them.
 */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Claim, GrantOptions, Ts, WriteOptions } from '../store.ts'
import type { AppendPart } from './request.ts'

/** A text as it is; anything else as a text that is no handle, no path and no timestamp. */
export function toText<Text extends string>(value: Text): Text {
  return typeof value === 'string' ? value : (`(${typeof value})` as Text)
}

/** A copy of an entry's data, so that the caller may go on using its buffer. Throws `ERR_BAD_REQUEST`, `ERR_TOO_LARGE`. */
export function toData(data: Uint8Array): Uint8Array {
  if (!(data instanceof Uint8Array))
    throw new GroveError('ERR_BAD_REQUEST', `data of an entry: expected bytes, found ${typeof data}`)
  if (data.length > limits.store.entryBytes)
    throw new GroveError('ERR_TOO_LARGE', `entry of ${data.length} bytes; at most ${limits.store.entryBytes}`)
  return new Uint8Array(data)
}

/** How a write is to happen: no expectation when the property is not given, an empty log when it is undefined. */
export function toConditions(options: Pick<WriteOptions, 'expect' | 'covers'>): Pick<AppendPart, 'expect' | 'covers'> {
  const { expect, covers } = options
  return {
    expect: Object.hasOwn(options, 'expect') ? { head: expect === undefined ? undefined : toText(expect) } : undefined,
    covers: covers === undefined ? undefined : { lo: toText(covers?.lo), hi: toText(covers?.hi) },
  }
}

/** Timestamps. Throws `ERR_BAD_REQUEST`, `ERR_TOO_MANY`. */
export function toMoments(after: readonly Ts[] | undefined): readonly Ts[] {
  if (after === undefined) return []
  if (!Array.isArray(after)) throw new GroveError('ERR_BAD_REQUEST', `after: expected a list, found ${typeof after}`)
  if (after.length > limits.store.afterMoments)
    throw new GroveError('ERR_TOO_MANY', `entry after more than ${limits.store.afterMoments} others`)
  return Array.from(after as readonly Ts[], toText)
}

const shapes = {
  path: ['string'],
  untilMs: ['number'],
  read: ['boolean', 'undefined'],
  write: ['boolean', 'undefined'],
  grant: ['boolean', 'undefined'],
  label: ['string', 'undefined'],
  maxBytes: ['number', 'undefined'],
  maxWrites: ['number', 'undefined'],
} as const

/** What a grant is made with. Throws `ERR_BAD_REQUEST`. */
export function toGrantOptions(options: GrantOptions): GrantOptions {
  return pick(options, shapes) as unknown as GrantOptions
}

/** What a handle is to be used for. Throws `ERR_BAD_REQUEST`. */
export function toClaim(claim: Claim = {}): Claim {
  const { hash, bytes } = pick(claim, { hash: ['string', 'undefined'], bytes: ['number', 'undefined'] })
  if (bytes !== undefined && !(Number.isSafeInteger(bytes) && (bytes as number) >= 0))
    throw new GroveError('ERR_BAD_REQUEST', `bytes: expected a whole number from 0, found ${String(bytes)}`)
  return { ...(hash !== undefined && { hash: hash as string }), ...(bytes !== undefined && { bytes: bytes as number }) }
}

function pick(given: object, shape: Readonly<Record<string, readonly string[]>>): Record<string, unknown> {
  const picked: Record<string, unknown> = {}
  for (const [name, types] of Object.entries(shape)) {
    const value: unknown = Reflect.get(given, name)
    if (!types.includes(typeof value))
      throw new GroveError('ERR_BAD_REQUEST', `${name}: expected a ${types[0]}, found ${typeof value}`)
    if (value !== undefined) picked[name] = value
  }
  return picked
}
