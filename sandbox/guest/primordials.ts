/**
 * The language's own functions as they were before site code could replace them. Guest code calls these, and walks lists by
 * index, so that a site that patches `Array.prototype` or `Promise.prototype.then` (as old polyfills do) changes only its own
 * behaviour. `await` of a promise of ours is safe as it is; `return promise` from an async function is not: `return await`.
 */

const { bind, call } = Function.prototype
const reflectApply = Reflect.apply as (target: unknown, self: unknown, args: readonly unknown[]) => unknown
const nothing = () => {}

/** A method as a function that takes its `this` first. `type` of the result is what the caller says. */
export const uncurry = bind.bind(call) as (method: unknown) => never

/** A getter of a prototype as a function of the object. */
export function uncurryGetter<T, V>(prototype: object, key: PropertyKey): (self: T) => V {
  return uncurry(Object.getOwnPropertyDescriptor(prototype, key)?.get)
}

/**
 * `slice`, `splice` and `subarray` ask what they are called on for its constructor, and so for a class of the site's
 * (`Symbol.species`), which could give back anything: bytes that lie in a buffer of any size, a list that changes between two
 * looks. So they are written out here. Positions are from 0 on; those beyond the end are the end.
 */
function copyItems<T>(list: readonly T[], from = 0, to = list.length): T[] {
  const copy: T[] = []
  const end = to < list.length ? to : list.length
  for (let index = from; index < end; index++) copy[index - from] = list[index] as T
  return copy
}

/** Takes out items of a list and puts others in their place. */
function replaceItems<T>(list: T[], from: number, count: number, ...items: T[]): void {
  const rest = copyItems(list, from + count)
  const { length } = items
  list.length = from
  for (let index = 0; index < length; index++) list[from + index] = items[index] as T
  for (let index = 0; index < rest.length; index++) list[from + length + index] = rest[index] as T
}

/** Methods of arrays, the array first. */
export const arrays = {
  isArray: Array.isArray,
  push: uncurry(Array.prototype.push) as <T>(list: T[], ...items: T[]) => number,
  pop: uncurry(Array.prototype.pop) as <T>(list: T[]) => T | undefined,
  shift: uncurry(Array.prototype.shift) as <T>(list: T[]) => T | undefined,
  unshift: uncurry(Array.prototype.unshift) as <T>(list: T[], ...items: T[]) => number,
  slice: copyItems,
  splice: replaceItems,
  join: uncurry(Array.prototype.join) as (list: readonly unknown[], separator: string) => string,
  includes: uncurry(Array.prototype.includes) as <T>(list: readonly T[], item: T) => boolean,
  indexOf: uncurry(Array.prototype.indexOf) as <T>(list: readonly T[], item: T) => number,
  sort: uncurry(Array.prototype.sort) as <T>(list: T[], compare?: (a: T, b: T) => number) => T[],
} as const

/** Methods of strings, the string first; `of` makes one of anything but a symbol's description. */
export const strings = {
  of: String,
  fromCharCode: String.fromCharCode,
  fromCodePoint: String.fromCodePoint,
  charCodeAt: uncurry(String.prototype.charCodeAt) as (text: string, index: number) => number,
  codePointAt: uncurry(String.prototype.codePointAt) as (text: string, index: number) => number | undefined,
  slice: uncurry(String.prototype.slice) as (text: string, from: number, to?: number) => string,
  indexOf: uncurry(String.prototype.indexOf) as (text: string, part: string, from?: number) => number,
  lastIndexOf: uncurry(String.prototype.lastIndexOf) as (text: string, part: string, from?: number) => number,
  includes: uncurry(String.prototype.includes) as (text: string, part: string) => boolean,
  startsWith: uncurry(String.prototype.startsWith) as (text: string, part: string, from?: number) => boolean,
  endsWith: uncurry(String.prototype.endsWith) as (text: string, part: string) => boolean,
  toLowerCase: uncurry(String.prototype.toLowerCase) as (text: string) => string,
  toUpperCase: uncurry(String.prototype.toUpperCase) as (text: string) => string,
  toWellFormed: uncurry(String.prototype.toWellFormed) as (text: string) => string,
  isWellFormed: uncurry(String.prototype.isWellFormed) as (text: string) => boolean,
  trim: uncurry(String.prototype.trim) as (text: string) => string,
  repeat: uncurry(String.prototype.repeat) as (text: string, count: number) => string,
  padStart: uncurry(String.prototype.padStart) as (text: string, length: number, fill?: string) => string,
  split: uncurry(String.prototype.split) as (text: string, separator: string, limit?: number) => string[],
} as const

/** Methods of maps, the map first. {@link maps.forEach} is the way to walk one. */
export const maps = {
  get: uncurry(Map.prototype.get) as <K, V>(map: ReadonlyMap<K, V>, key: K) => V | undefined,
  set: uncurry(Map.prototype.set) as <K, V>(map: Map<K, V>, key: K, value: V) => Map<K, V>,
  has: uncurry(Map.prototype.has) as <K, V>(map: ReadonlyMap<K, V>, key: K) => boolean,
  delete: uncurry(Map.prototype.delete) as <K, V>(map: Map<K, V>, key: K) => boolean,
  clear: uncurry(Map.prototype.clear) as <K, V>(map: Map<K, V>) => void,
  forEach: uncurry(Map.prototype.forEach) as <K, V>(map: ReadonlyMap<K, V>, each: (value: V, key: K) => void) => void,
  size: uncurryGetter<ReadonlyMap<unknown, unknown>, number>(Map.prototype, 'size'),
} as const

/** Methods of sets, the set first. */
export const sets = {
  add: uncurry(Set.prototype.add) as <T>(set: Set<T>, item: T) => Set<T>,
  has: uncurry(Set.prototype.has) as <T>(set: ReadonlySet<T>, item: T) => boolean,
  delete: uncurry(Set.prototype.delete) as <T>(set: Set<T>, item: T) => boolean,
  clear: uncurry(Set.prototype.clear) as <T>(set: Set<T>) => void,
  forEach: uncurry(Set.prototype.forEach) as <T>(set: ReadonlySet<T>, each: (item: T) => void) => void,
  size: uncurryGetter<ReadonlySet<unknown>, number>(Set.prototype, 'size'),
} as const

/** Methods of weak maps, the map first. */
export const weakMaps = {
  get: uncurry(WeakMap.prototype.get) as <K extends object, V>(map: WeakMap<K, V>, key: K) => V | undefined,
  set: uncurry(WeakMap.prototype.set) as <K extends object, V>(map: WeakMap<K, V>, key: K, value: V) => WeakMap<K, V>,
  has: uncurry(WeakMap.prototype.has) as <K extends object, V>(map: WeakMap<K, V>, key: K) => boolean,
} as const

const NativePromise = Promise
const nativeWithResolvers = Promise.withResolvers
const promiseThen = uncurry(Promise.prototype.then) as <T, A = T, B = never>(
  promise: Promise<T>,
  fulfilled?: ((value: T) => A | PromiseLike<A>) | undefined,
  rejected?: ((reason: unknown) => B | PromiseLike<B>) | undefined,
) => Promise<A | B>

/** A promise with what settles it. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
  readonly reject: (reason: unknown) => void
}

/** Promises by the original `then`. `ignore` marks one as handled, `of` adopts a promise of the site's or any value. */
export const promises = {
  // biome-ignore lint/suspicious/noThenProperty: it is called as a function and is no thenable
  then: promiseThen,
  of: <T>(value: T | PromiseLike<T>): Promise<T> => new NativePromise((resolve) => resolve(value)),
  reject: (reason: unknown): Promise<never> => new NativePromise((_, reject) => reject(reason)),
  ignore: (promise: Promise<unknown>): void => {
    void promiseThen(promise, nothing, nothing)
  },
  withResolvers: <T>(): Deferred<T> => reflectApply(nativeWithResolvers, NativePromise, []) as Deferred<T>,
} as const

/** Methods of `Object` and `Object.prototype`. */
export const objects = {
  of: Object,
  assign: Object.assign,
  create: Object.create as (proto: object | null) => object,
  defineProperty: Object.defineProperty,
  defineProperties: Object.defineProperties,
  entries: Object.entries as <T>(value: Readonly<Record<string, T>>) => [string, T][],
  freeze: Object.freeze,
  getOwnPropertyDescriptor: Object.getOwnPropertyDescriptor,
  getPrototypeOf: Object.getPrototypeOf as (value: unknown) => object | null,
  setPrototypeOf: Object.setPrototypeOf,
  hasOwn: Object.hasOwn,
  is: Object.is,
  isFrozen: Object.isFrozen,
  keys: Object.keys,
  prototype: Object.prototype,
  toString: uncurry(Object.prototype.toString) as (value: unknown) => string,
} as const

/**
 * Puts a value on an object as a property of its own, writable and configurable. Nothing that the site has put on
 * `Object.prototype` (a `get`, say) becomes part of the descriptor.
 */
export function defineValue(target: object, key: PropertyKey, value: unknown, enumerable: boolean): void {
  const descriptor = objects.create(null) as PropertyDescriptor
  descriptor.value = value
  descriptor.writable = true
  descriptor.enumerable = enumerable
  descriptor.configurable = true
  objects.defineProperty(target, key, descriptor)
}

/** Methods of `Reflect`. */
export const reflect = {
  apply: reflectApply,
  construct: Reflect.construct,
  get: Reflect.get,
  ownKeys: Reflect.ownKeys,
} as const

/** Functions of `Number`, `Math` and `BigInt`. */
export const numbers = {
  of: Number,
  isInteger: Number.isInteger,
  isSafeInteger: Number.isSafeInteger,
  isFinite: Number.isFinite,
  isNaN: Number.isNaN,
  parseInt: Number.parseInt,
  toString: uncurry(Number.prototype.toString) as (value: number, radix?: number) => string,
  bigintToString: uncurry(BigInt.prototype.toString) as (value: bigint) => string,
  abs: Math.abs,
  floor: Math.floor,
  max: Math.max,
  min: Math.min,
  random: Math.random,
  sign: Math.sign,
  trunc: Math.trunc,
} as const

const ByteArray = Uint8Array
const typedArray: { readonly prototype: object } = Object.getPrototypeOf(Uint8Array)
const typed = typedArray.prototype as Uint8Array

const viewBuffer = uncurryGetter<ArrayBufferView, ArrayBufferLike>(typed, 'buffer')
const viewOffset = uncurryGetter<ArrayBufferView, number>(typed, 'byteOffset')
const viewLength = uncurryGetter<ArrayBufferView, number>(typed, 'byteLength')

/** A part of a view, of the same buffer. */
function viewPart(view: Uint8Array, from = 0, to = viewLength(view)): Uint8Array<ArrayBuffer> {
  const length = viewLength(view)
  const end = to < length ? to : length
  const start = from < end ? from : end
  return new ByteArray(viewBuffer(view) as ArrayBuffer, viewOffset(view) + start, end - start)
}

/** Bytes: `Uint8Array` as it was, its methods with the array first, and the parts of any view. */
export const bytes = {
  Array: ByteArray,
  isView: ArrayBuffer.isView,
  set: uncurry(typed.set) as (target: Uint8Array, source: ArrayLike<number>, offset?: number) => void,
  subarray: viewPart,
  slice: (view: Uint8Array, from?: number, to?: number): Uint8Array<ArrayBuffer> =>
    new ByteArray(viewPart(view, from, to)),
  indexOf: uncurry(typed.indexOf) as (view: Uint8Array, byte: number, from?: number) => number,
  fill: uncurry(typed.fill) as (view: Uint8Array, byte: number, from?: number, to?: number) => Uint8Array,
  /** `'Uint8Array'` and so on; undefined for what is no typed array. */
  tagOf: uncurryGetter<unknown, string | undefined>(typed, Symbol.toStringTag),
  buffer: viewBuffer,
  byteOffset: viewOffset,
  byteLength: viewLength,
  length: uncurryGetter<ArrayBufferView, number>(typed, 'length'),
} as const

/** Array buffers and data views, the object first. The getters throw a TypeError on anything else. */
export const buffers = {
  Array: ArrayBuffer,
  byteLength: uncurryGetter<unknown, number>(ArrayBuffer.prototype, 'byteLength'),
  maxByteLength: uncurryGetter<unknown, number>(ArrayBuffer.prototype, 'maxByteLength'),
  resizable: uncurryGetter<unknown, boolean>(ArrayBuffer.prototype, 'resizable'),
  detached: uncurryGetter<unknown, boolean>(ArrayBuffer.prototype, 'detached'),
  slice: uncurry(ArrayBuffer.prototype.slice) as (buffer: ArrayBuffer, from?: number, to?: number) => ArrayBuffer,
  transfer: uncurry(ArrayBuffer.prototype.transfer) as (buffer: ArrayBuffer) => ArrayBuffer,
  viewBuffer: uncurryGetter<DataView, ArrayBufferLike>(DataView.prototype, 'buffer'),
  viewByteOffset: uncurryGetter<DataView, number>(DataView.prototype, 'byteOffset'),
  viewByteLength: uncurryGetter<DataView, number>(DataView.prototype, 'byteLength'),
} as const

/** Regular expressions, the expression first. `exec` does not look at a patched `RegExp.prototype.exec`. */
export const regexps = {
  Expression: RegExp,
  prototype: RegExp.prototype,
  exec: uncurry(RegExp.prototype.exec) as (expression: RegExp, text: string) => RegExpExecArray | null,
  source: uncurryGetter<unknown, string>(RegExp.prototype, 'source'),
  flags: uncurryGetter<unknown, string>(RegExp.prototype, 'flags'),
} as const

/** Functions of `JSON`. */
export const json = { parse: JSON.parse as (text: string) => unknown, stringify: JSON.stringify } as const

/** Dates: the constructor, the clock and the time of one. */
export const dates = {
  Date,
  now: Date.now,
  getTime: uncurry(Date.prototype.getTime) as (date: unknown) => number,
  toISOString: uncurry(Date.prototype.toISOString) as (date: unknown) => string,
} as const
