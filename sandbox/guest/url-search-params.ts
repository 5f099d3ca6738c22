/**
 * URLSearchParams (URL Standard, section 6.2).
 */

import { fromIterator, isObject, iteratorMethod, requireArguments, toRecord, toUSVString } from './convert.ts'
import { defineInterface, definePairIterable } from './idl.ts'
import { arrays, strings } from './primordials.ts'
import { type Pair, parseUrlencoded, serializeUrlencoded } from './urlencoded.ts'

/** What a URL does with its query object; site code cannot reach it. */
interface ParamsControl {
  create(query: string, changed: (query: string) => void): URLSearchParams
  replace(params: URLSearchParams, query: string): void
  pairs(params: URLSearchParams): readonly Pair[]
  is(value: unknown): value is URLSearchParams
}

let control: ParamsControl

/** The query of a URL, or any list of names and values. */
export class URLSearchParams {
  #pairs: Pair[]
  /** Tells the URL that this is the query of. */
  #changed: ((query: string) => void) | undefined

  constructor(init: unknown = '') {
    this.#pairs = readInit(init)
  }

  get size(): number {
    return this.#pairs.length
  }

  append(name: unknown, value: unknown): void {
    const pairs = this.#pairs
    requireArguments(arguments.length, 2, 'URLSearchParams.append')
    arrays.push(pairs, [toUSVString(name), toUSVString(value)])
    this.#update()
  }

  delete(name: unknown, value: unknown = undefined): void {
    this.#pairs
    requireArguments(arguments.length, 1, 'URLSearchParams.delete')
    const key = toUSVString(name)
    const only = value === undefined ? undefined : toUSVString(value)
    this.#keep((pair) => pair[0] !== key || (only !== undefined && pair[1] !== only))
    this.#update()
  }

  get(name: unknown): string | null {
    const pairs = this.#pairs
    requireArguments(arguments.length, 1, 'URLSearchParams.get')
    const key = toUSVString(name)
    for (let index = 0; index < pairs.length; index++) if (pairs[index]?.[0] === key) return pairs[index]?.[1] ?? null
    return null
  }

  getAll(name: unknown): string[] {
    const pairs = this.#pairs
    requireArguments(arguments.length, 1, 'URLSearchParams.getAll')
    const key = toUSVString(name)
    const values: string[] = []
    for (let index = 0; index < pairs.length; index++) {
      const pair = pairs[index]
      if (pair?.[0] === key) arrays.push(values, pair[1])
    }
    return values
  }

  has(name: unknown, value: unknown = undefined): boolean {
    const pairs = this.#pairs
    requireArguments(arguments.length, 1, 'URLSearchParams.has')
    const key = toUSVString(name)
    const only = value === undefined ? undefined : toUSVString(value)
    for (let index = 0; index < pairs.length; index++) {
      const pair = pairs[index]
      if (pair?.[0] === key && (only === undefined || pair[1] === only)) return true
    }
    return false
  }

  set(name: unknown, value: unknown): void {
    const pairs = this.#pairs
    requireArguments(arguments.length, 2, 'URLSearchParams.set')
    const key = toUSVString(name)
    const text = toUSVString(value)
    let found = false
    for (let index = 0; index < pairs.length && !found; index++) {
      const pair = pairs[index]
      if (pair?.[0] !== key) continue
      found = true
      pair[1] = text
      this.#keep((other) => other[0] !== key || other === pair)
    }
    if (!found) arrays.push(this.#pairs, [key, text])
    this.#update()
  }

  sort(): void {
    // Strings compare by code units, as the standard wants; the order of equal names stays.
    arrays.sort(this.#pairs, (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0))
    this.#update()
  }

  toString(): string {
    return serializeUrlencoded(this.#pairs)
  }

  #keep(test: (pair: Pair) => boolean): void {
    const kept: Pair[] = []
    for (let index = 0; index < this.#pairs.length; index++) {
      const pair = this.#pairs[index]
      if (pair !== undefined && test(pair)) arrays.push(kept, pair)
    }
    this.#pairs = kept
  }

  #update(): void {
    this.#changed?.(serializeUrlencoded(this.#pairs))
  }

  static {
    control = {
      create(query, changed) {
        const params = new URLSearchParams()
        params.#pairs = parseUrlencoded(query)
        params.#changed = changed
        return params
      },
      replace(params, query) {
        params.#pairs = parseUrlencoded(query)
      },
      pairs: (params) => params.#pairs,
      is: (value): value is URLSearchParams => isObject(value) && #pairs in value,
    }
  }
}
definePairIterable(URLSearchParams, 'URLSearchParams', (params) => control.pairs(params))
defineInterface(URLSearchParams, { name: 'URLSearchParams' })

/** The query object of a URL. `query` is without `?`; `changed` is told each new one. */
export function createQuery(query: string, changed: (query: string) => void): URLSearchParams {
  return control.create(query, changed)
}

/** Gives the query object of a URL what the URL has now. */
export function replaceQuery(params: URLSearchParams, query: string): void {
  control.replace(params, query)
}

/** A list as its text. */
export function queryOf(params: URLSearchParams): string {
  return serializeUrlencoded(control.pairs(params))
}

/** Whether a value is a URLSearchParams, by its private fields. */
export function isSearchParams(value: unknown): value is URLSearchParams {
  return control.is(value)
}

function readInit(init: unknown): Pair[] {
  if (!isObject(init)) {
    const text = toUSVString(init)
    return parseUrlencoded(strings.startsWith(text, '?') ? strings.slice(text, 1) : text)
  }
  const method = iteratorMethod(init)
  if (method === undefined) return toRecord(init, toUSVString, toUSVString, 'the init of URLSearchParams') as Pair[]
  return fromIterator(init, method, toPair)
}

function toPair(element: unknown): Pair {
  const method = isObject(element) ? iteratorMethod(element) : undefined
  if (method === undefined) throw new TypeError('an entry of URLSearchParams is not iterable')
  const pair = fromIterator(element as object, method, toUSVString)
  if (pair.length !== 2) throw new TypeError(`an entry of URLSearchParams has ${pair.length} elements, not 2`)
  return pair as Pair
}
