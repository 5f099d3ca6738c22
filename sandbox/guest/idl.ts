/**
 * Web IDL for classes written in plain TypeScript: a class keeps its state in private fields (so a foreign `this` throws a
 * TypeError by itself), and {@link defineInterface} gives its members the attributes that Web IDL wants. What site code passes
 * to a member goes through the converters of convert.ts.
 */

import { requireFunction } from './convert.ts'
import { maps, objects, reflect } from './primordials.ts'

type Class = abstract new (...args: never[]) => object

const interfaces = new Map<object, string>()

/**
 * Makes a class an interface of Web IDL: its members are enumerable, it has a `Symbol.toStringTag`, and its constants stand
 * on the class and on the prototype. `name` is that of the class unless the class is called otherwise inside the prelude.
 */
export function defineInterface(
  subject: Class,
  options: { readonly name?: string; readonly constants?: Readonly<Record<string, number>> } = {},
): void {
  const { prototype } = subject as { prototype: object }
  const name = options.name ?? (subject as { readonly name: string }).name
  if (options.name !== undefined) objects.defineProperty(subject, 'name', { value: name, configurable: true })
  makeEnumerable(prototype)
  makeEnumerable(subject)
  for (const [key, value] of objects.entries(options.constants ?? {})) {
    const constant = { value, enumerable: true, writable: false, configurable: false }
    objects.defineProperty(subject, key, constant)
    objects.defineProperty(prototype, key, constant)
  }
  objects.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true })
  interfaces.set(prototype, name)
}

const notMembers = ['constructor', 'prototype', 'length', 'name', 'arguments', 'caller']

function makeEnumerable(owner: object): void {
  for (const key of reflect.ownKeys(owner)) {
    if (typeof key === 'symbol' || notMembers.includes(key)) continue
    const descriptor = objects.getOwnPropertyDescriptor(owner, key)
    if (descriptor?.configurable) objects.defineProperty(owner, key, { ...descriptor, enumerable: true })
  }
}

/**
 * Gives an interface the members of an `iterable<K, V>` declaration: `entries`, `keys`, `values`, `forEach` and the default
 * iterator. `pairs` gives the list as it is at the moment it is asked for, so that a walk sees changes made meanwhile.
 * It is called before {@link defineInterface}.
 */
export function definePairIterable<T extends object, K, V>(
  subject: abstract new (...args: never[]) => T,
  name: string,
  pairs: (self: T) => readonly (readonly [K, V])[],
): void {
  const createIterator = iteratorClass(name, pairs)
  const methods = {
    entries(this: T) {
      return createIterator(this, 'entries')
    },
    keys(this: T) {
      return createIterator(this, 'keys')
    },
    values(this: T) {
      return createIterator(this, 'values')
    },
    forEach(this: T, callback: (value: V, key: K, self: T) => void, thisArg: unknown = undefined) {
      pairs(this)
      requireFunction(callback, `${name}.forEach`)
      for (let index = 0; ; index++) {
        const pair = pairs(this)[index]
        if (pair === undefined) return
        reflect.apply(callback, thisArg, [pair[1], pair[0], this])
      }
    },
  }
  const { prototype } = subject as { prototype: object }
  for (const key of ['entries', 'keys', 'values', 'forEach'] as const)
    objects.defineProperty(prototype, key, { value: methods[key], writable: true, configurable: true })
  objects.defineProperty(prototype, Symbol.iterator, { value: methods.entries, writable: true, configurable: true })
  objects.defineProperty(methods.forEach, 'length', { value: 1, configurable: true })
}

type IteratorKind = 'entries' | 'keys' | 'values'

const iteratorPrototype: object = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()))

function iteratorClass<T extends object, K, V>(name: string, pairs: (self: T) => readonly (readonly [K, V])[]) {
  class PairIterator {
    readonly #self: T
    readonly #kind: IteratorKind
    #index = 0

    constructor(self: T, kind: IteratorKind) {
      pairs(self)
      this.#self = self
      this.#kind = kind
    }

    next(): IteratorResult<unknown, undefined> {
      const pair = pairs(this.#self)[this.#index]
      if (pair === undefined) return { value: undefined, done: true }
      this.#index++
      const value = this.#kind === 'entries' ? [pair[0], pair[1]] : this.#kind === 'keys' ? pair[0] : pair[1]
      return { value, done: false }
    }
  }
  // Web IDL, "Iterator prototype object": no constructor is reachable from it.
  const { prototype } = PairIterator as { prototype: object }
  Reflect.deleteProperty(prototype, 'constructor')
  objects.setPrototypeOf(prototype, iteratorPrototype)
  makeEnumerable(prototype)
  objects.defineProperty(prototype, Symbol.toStringTag, { value: `${name} Iterator`, configurable: true })
  return (self: T, kind: IteratorKind) => new PairIterator(self, kind) as unknown as IterableIterator<never>
}

/** The interface that an object is of, by its prototypes; undefined for plain objects of the site. It can be faked. */
export function interfaceOf(value: object): string | undefined {
  let proto = objects.getPrototypeOf(value)
  for (let depth = 0; proto !== null && depth < 32; depth++) {
    const name = maps.get(interfaces, proto)
    if (name !== undefined) return name
    proto = objects.getPrototypeOf(proto)
  }
  return undefined
}

/** What only the prelude has: passed to constructors that site code must not use. */
export const internal: unique symbol = Symbol('internal')

/** Throws the TypeError of an interface that has no constructor, unless {@link internal} was passed. */
export function requireInternal(key: unknown): void {
  if (key !== internal) throw new TypeError('Illegal constructor')
}
