/**
 * What kind of built-in object a value is, by its internal slots: `Symbol.toStringTag` and prototypes can be faked. An object
 * that has lost the prototypes of its kind counts as a plain one.
 */

import { arrays, buffers, bytes, dates, maps, objects, regexps, sets, uncurry } from './primordials.ts'

const isError = (Error as unknown as { isError(value: unknown): boolean }).isError
const hasInWeakMap = uncurry(WeakMap.prototype.has) as (map: object, key: object) => boolean
const hasInWeakSet = uncurry(WeakSet.prototype.has) as (set: object, key: object) => boolean

/** The values inside of wrapper objects. Each throws a TypeError for anything else. */
export const unwrap = {
  Boolean: uncurry(Boolean.prototype.valueOf) as (value: object) => boolean,
  Number: uncurry(Number.prototype.valueOf) as (value: object) => number,
  String: uncurry(String.prototype.valueOf) as (value: object) => string,
  BigInt: uncurry(BigInt.prototype.valueOf) as (value: object) => bigint,
  Symbol: uncurry(Symbol.prototype.valueOf) as (value: object) => symbol,
} as const

/** Throws, or answers false, unless an object has the slots of a kind. Keyed by kind. */
const tests = {
  Boolean: (value: object) => typeof unwrap.Boolean(value) === 'boolean',
  Number: (value: object) => typeof unwrap.Number(value) === 'number',
  String: (value: object) => typeof unwrap.String(value) === 'string',
  BigInt: (value: object) => typeof unwrap.BigInt(value) === 'bigint',
  Symbol: (value: object) => typeof unwrap.Symbol(value) === 'symbol',
  ArrayBuffer: (value: object) => buffers.byteLength(value) >= 0,
  DataView: (value: object) => bytes.isView(value) && bytes.tagOf(value) === undefined,
  Date: (value: object) => typeof dates.getTime(value) === 'number',
  Error: (value: object) => isError(value),
  Map: (value: object) => maps.size(value as Map<unknown, unknown>) >= 0,
  // A promise is told by its prototype alone: to ask one for more would run code of the site.
  Promise: () => true,
  RegExp: (value: object) => value !== regexps.prototype && typeof regexps.source(value) === 'string',
  Set: (value: object) => sets.size(value as Set<unknown>) >= 0,
  TypedArray: (value: object) => bytes.tagOf(value) !== undefined,
  WeakMap: (value: object) => !hasInWeakMap(value, value),
  WeakSet: (value: object) => !hasInWeakSet(value, value),
} as const

/** A kind of built-in object. Typed arrays are one kind; `bytes.tagOf` tells which. */
export type Brand = keyof typeof tests | 'Array' | 'Function' | 'Object'

const kinds = new Map<object, keyof typeof tests>([
  [ArrayBuffer.prototype, 'ArrayBuffer'],
  [BigInt.prototype, 'BigInt'],
  [Boolean.prototype, 'Boolean'],
  [DataView.prototype, 'DataView'],
  [Date.prototype, 'Date'],
  [Error.prototype, 'Error'],
  [Map.prototype, 'Map'],
  [Number.prototype, 'Number'],
  [Promise.prototype, 'Promise'],
  [RegExp.prototype, 'RegExp'],
  [Set.prototype, 'Set'],
  [String.prototype, 'String'],
  [Symbol.prototype, 'Symbol'],
  [Object.getPrototypeOf(Uint8Array.prototype), 'TypedArray'],
  [WeakMap.prototype, 'WeakMap'],
  [WeakSet.prototype, 'WeakSet'],
])

/** The deepest chain of prototypes that is walked. */
const prototypesDeep = 64

/** The kind of an object. It throws what a trap of a Proxy of the site throws. */
export function brandOf(value: object): Brand {
  if (typeof value === 'function') return 'Function'
  if (arrays.isArray(value)) return 'Array'
  let proto = objects.getPrototypeOf(value)
  for (let depth = 0; proto !== null && proto !== objects.prototype && depth < prototypesDeep; depth++) {
    const kind = maps.get(kinds, proto)
    if (kind !== undefined) return holds(kind, value) ? kind : 'Object'
    proto = objects.getPrototypeOf(proto)
  }
  return 'Object'
}

function holds(kind: keyof typeof tests, value: object): boolean {
  try {
    return tests[kind](value) === true
  } catch {
    return false
  }
}
