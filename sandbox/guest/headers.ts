/**
 * Headers (Fetch Standard, section 5.1). The object is a face of a {@link HeaderBox}, and is made when a site asks for it.
 * Names that a browser keeps from scripts may be set here, as on every server; what belongs to the host is dropped on the way out.
 */

import { fromIterator, isObject, iteratorMethod, requireArguments } from './convert.ts'
import {
  createBox,
  deleteName,
  getValue,
  type HeaderBox,
  hasName,
  listOf,
  setValue,
  sortAndCombine,
  toHeaderName,
  toHeaderValue,
} from './header-list.ts'
import { defineInterface, definePairIterable, internal } from './idl.ts'
import { arrays, objects, reflect } from './primordials.ts'

let boxIn: (value: object) => HeaderBox | undefined

/** The headers of a request or an answer. */
export class Headers {
  readonly #box: HeaderBox

  constructor(init: unknown = undefined, box: unknown = undefined) {
    if (init === internal) {
      this.#box = box as HeaderBox
      return
    }
    this.#box = createBox([], false)
    if (init !== undefined) fillBox(this.#box, init)
  }

  append(name: unknown, value: unknown): void {
    requireArguments(arguments.length, 2, 'Headers.append')
    const box = this.#box
    appendTo(box, name, value)
  }

  delete(name: unknown): void {
    requireArguments(arguments.length, 1, 'Headers.delete')
    const box = this.#box
    const key = toHeaderName(name)
    deleteName(change(box), key)
  }

  get(name: unknown): string | null {
    requireArguments(arguments.length, 1, 'Headers.get')
    const box = this.#box
    return getValue(listOf(box), toHeaderName(name)) ?? null
  }

  getSetCookie(): string[] {
    const list = listOf(this.#box)
    const cookies: string[] = []
    for (let index = 0; index < list.length; index += 2)
      if (list[index] === 'set-cookie') arrays.push(cookies, list[index + 1] as string)
    return cookies
  }

  has(name: unknown): boolean {
    requireArguments(arguments.length, 1, 'Headers.has')
    const box = this.#box
    return hasName(listOf(box), toHeaderName(name))
  }

  set(name: unknown, value: unknown): void {
    requireArguments(arguments.length, 2, 'Headers.set')
    const box = this.#box
    const key = toHeaderName(name)
    const text = toHeaderValue(value)
    setValue(change(box), key, text)
  }

  static {
    boxIn = (value) => (#box in value ? value.#box : undefined)
  }
}

definePairIterable(Headers, 'Headers', (self) => {
  const box = boxIn(self)
  if (box === undefined) throw new TypeError('this is not a Headers object')
  box.sorted ??= sortAndCombine(listOf(box))
  return box.sorted
})
defineInterface(Headers, { name: 'Headers' })

/** The face of a box. */
export function createHeaders(box: HeaderBox): Headers {
  return new Headers(internal, box)
}

/** A box of its own for a `HeadersInit`: Headers, a sequence of pairs, or a record. Throws a TypeError for anything else. */
export function toBox(init: unknown): HeaderBox {
  const box = createBox([], false)
  if (init !== undefined) fillBox(box, init)
  return box
}

/** The flat list for a change. Throws a TypeError when the headers are not the site's to change. */
function change(box: HeaderBox): string[] {
  if (box.immutable) throw new TypeError('these headers cannot be changed; make new ones: new Headers(headers)')
  box.sorted = undefined
  return listOf(box)
}

function appendTo(box: HeaderBox, name: unknown, value: unknown): void {
  const key = toHeaderName(name)
  const text = toHeaderValue(value)
  arrays.push(change(box), key, text)
}

function fillBox(box: HeaderBox, init: unknown): void {
  if (!isObject(init)) throw new TypeError('headers are neither Headers, a sequence of pairs nor a record')
  const other = boxIn(init)
  if (other !== undefined) {
    box.list = arrays.slice(listOf(other))
    return
  }
  const method = iteratorMethod(init)
  if (method === undefined) {
    fillFromRecord(box, init)
    return
  }
  const pairs = fromIterator(init, method, toPair)
  for (let index = 0; index < pairs.length; index++) {
    const pair = pairs[index] as unknown[]
    appendTo(box, pair[0], pair[1])
  }
}

function toPair(element: unknown): unknown[] {
  const method = isObject(element) ? iteratorMethod(element) : undefined
  if (method === undefined) throw new TypeError('a pair of headers is not iterable')
  const pair = fromIterator(element as object, method, (item) => item)
  if (pair.length !== 2) throw new TypeError(`a pair of headers has ${pair.length} items`)
  return pair
}

function fillFromRecord(box: HeaderBox, record: object): void {
  const keys = reflect.ownKeys(record)
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] as string
    if (!objects.getOwnPropertyDescriptor(record, key)?.enumerable) continue
    appendTo(box, key, (record as Record<string, unknown>)[key])
  }
}
