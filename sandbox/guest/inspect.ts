/**
 * Values as text for people, as `console.log` shows them. No getter of the site's is called; what a Proxy's traps do happens
 * inside the site's own entry. Depth, breadth and length are bounded.
 */

import { bounds } from './bounds.ts'
import { brandOf, unwrap } from './brands.ts'
import { interfaceOf } from './idl.ts'
import { frame, indent, quote } from './inspect-text.ts'
import {
  arrays,
  buffers,
  bytes,
  dates,
  maps,
  numbers,
  objects,
  reflect,
  regexps,
  sets,
  strings,
} from './primordials.ts'

/** What one inspection has seen and may still write. */
interface Look {
  /** Characters left. */
  left: number
  /** The objects that lead to where we are. */
  readonly path: object[]
  readonly depth: number
}

/** A value as text of about `maxChars` at most. A string inside of an object is quoted, one by itself is not. */
export function inspect(value: unknown, maxChars: number, depth: number = bounds.inspectDepth): string {
  const look: Look = { left: maxChars, path: [], depth }
  return typeof value === 'string' ? strings.slice(value, 0, maxChars) : show(value, look)
}

function show(value: unknown, look: Look): string {
  const text = typeof value === 'object' && value !== null ? showGuarded(value, look) : showPrimitive(value, look)
  look.left -= text.length
  return text
}

function showPrimitive(value: unknown, look: Look): string {
  switch (typeof value) {
    case 'string':
      return quote(strings.slice(value, 0, numbers.min(bounds.inspectStringChars, numbers.max(look.left, 0))))
    case 'bigint':
      return `${bigintText(value)}n`
    case 'symbol':
      return strings.of(value)
    case 'number':
      return objects.is(value, -0) ? '-0' : `${value}`
    case 'function':
      return showFunction(value)
    default:
      return `${value as undefined}`
  }
}

/** A BigInt of many digits takes long to write: beyond this many bits it is only told how large it is. */
const bigintBits = 10_000n

function bigintText(value: bigint): string {
  const most = 1n << bigintBits
  return value < most && value > -most ? numbers.bigintToString(value) : 'a very large BigInt '
}

function showFunction(value: unknown): string {
  try {
    const descriptor = objects.getOwnPropertyDescriptor(value as object, 'name')
    const name = typeof descriptor?.value === 'string' ? strings.slice(descriptor.value, 0, 200) : ''
    return name === '' ? '[Function (anonymous)]' : `[Function: ${name}]`
  } catch {
    return '[Function]'
  }
}

function showGuarded(value: object, look: Look): string {
  if (arrays.includes(look.path, value)) return '[Circular]'
  arrays.push(look.path, value)
  try {
    return showObject(value, look)
  } catch {
    // A trap of a Proxy has thrown, or the stack is used up.
    return '[not inspectable]'
  } finally {
    arrays.pop(look.path)
  }
}

function showObject(value: object, look: Look): string {
  const brand = brandOf(value)
  switch (brand) {
    case 'Error':
      return showError(value, look)
    case 'Date':
      return showDate(value)
    case 'RegExp':
      return `/${regexps.source(value)}/${regexps.flags(value)}`
    case 'Promise':
    case 'WeakMap':
    case 'WeakSet':
      return `${brand} { … }`
    case 'Boolean':
    case 'Number':
    case 'String':
    case 'BigInt':
    case 'Symbol':
      return `[${brand}: ${show(unwrap[brand](value), look)}]`
    default:
  }
  if (look.path.length > look.depth + 1) return brand === 'Array' ? '[Array]' : `[${nameOf(value) ?? 'Object'}]`
  return showContents(value, brand, look)
}

function showContents(value: object, brand: ReturnType<typeof brandOf>, look: Look): string {
  const name = nameOf(value)
  const items: string[] = []
  switch (brand) {
    case 'Array':
      listItems(value as readonly unknown[], (value as readonly unknown[]).length, look, items)
      addProperties(value, look, items, true)
      return frame(name === 'Array' ? '' : `${name}(${(value as readonly unknown[]).length}) `, '[', items, ']')
    case 'TypedArray': {
      const view = value as Uint8Array
      listItems(view, bytes.length(view), look, items)
      return frame(`${bytes.tagOf(view)}(${bytes.length(view)}) `, '[', items, ']')
    }
    case 'ArrayBuffer':
      return `ArrayBuffer { byteLength: ${buffers.byteLength(value)} }`
    case 'DataView':
      return `DataView { byteLength: ${buffers.viewByteLength(value as DataView)} }`
    case 'Map': {
      const map = value as Map<unknown, unknown>
      let index = 0
      maps.forEach(map, (entry, key) => {
        if (index++ < bounds.inspectEntries && look.left > 0)
          arrays.push(items, `${show(key, look)} => ${show(entry, look)}`)
      })
      noteMore(maps.size(map), items)
      return frame(`${name ?? 'Map'}(${maps.size(map)}) `, '{', items, '}')
    }
    case 'Set': {
      const set = value as Set<unknown>
      let index = 0
      sets.forEach(set, (entry) => {
        if (index++ < bounds.inspectEntries && look.left > 0) arrays.push(items, show(entry, look))
      })
      noteMore(sets.size(set), items)
      return frame(`${name ?? 'Set'}(${sets.size(set)}) `, '{', items, '}')
    }
    default:
  }
  const known = interfaceOf(value)
  if (known !== undefined) addAttributes(value, look, items)
  addProperties(value, look, items, false)
  const prefix = name === undefined ? '[Object: null prototype] ' : name === 'Object' ? '' : `${name} `
  return frame(prefix, '{', items, '}')
}

function listItems(list: ArrayLike<unknown>, length: number, look: Look, items: string[]): void {
  for (let index = 0; index < length && index < bounds.inspectEntries && look.left > 0; index++) {
    const descriptor = objects.getOwnPropertyDescriptor(list, index)
    arrays.push(items, descriptor === undefined ? '<empty>' : showProperty(descriptor, look))
  }
  noteMore(length, items)
}

function noteMore(total: number, items: string[]): void {
  if (total > items.length) arrays.push(items, `… ${total - items.length} more`)
}

/** A date as text. One that is not valid has no ISO form. */
function showDate(value: object): string {
  return numbers.isNaN(dates.getTime(value)) ? 'Invalid Date' : dates.toISOString(value)
}

const identifier = /^[A-Za-z_$][\w$]*$/

function addProperties(value: object, look: Look, items: string[], isArray: boolean): void {
  const keys = reflect.ownKeys(value)
  let shown = 0
  for (let index = 0; index < keys.length && look.left > 0; index++) {
    const key = keys[index] as string | symbol
    if (isArray && (key === 'length' || isIndex(key))) continue
    const descriptor = objects.getOwnPropertyDescriptor(value, key)
    if (!descriptor?.enumerable) continue
    if (shown++ === bounds.inspectEntries) {
      arrays.push(items, '…')
      return
    }
    const label =
      typeof key === 'symbol' ? `[${strings.of(key)}]` : regexps.exec(identifier, key) === null ? quote(key) : key
    look.left -= label.length
    arrays.push(items, `${label}: ${showProperty(descriptor, look)}`)
  }
}

function isIndex(key: string | symbol): boolean {
  if (typeof key === 'symbol' || key === '') return false
  const unit = strings.charCodeAt(key, 0)
  return unit >= 0x30 && unit <= 0x39
}

function showProperty(descriptor: PropertyDescriptor, look: Look): string {
  if (objects.hasOwn(descriptor, 'value')) return show(descriptor.value, look)
  if (descriptor.get === undefined) return '[Setter]'
  return descriptor.set === undefined ? '[Getter]' : '[Getter/Setter]'
}

/** Attributes of an object of ours that are plain values; the rest (a body, say) would be made by being looked at. */
const shownAttributes = ['method', 'url', 'href', 'status', 'statusText', 'ok', 'type', 'size', 'name', 'lastModified']
const moreAttributes = [
  'headers',
  'aborted',
  'reason',
  'data',
  'detail',
  'encoding',
  'algorithm',
  'extractable',
  'usages',
  'bodyUsed',
]

function addAttributes(value: object, look: Look, items: string[]): void {
  for (let index = 0; index < shownAttributes.length + moreAttributes.length; index++) {
    const key = (shownAttributes[index] ?? moreAttributes[index - shownAttributes.length]) as string
    const held = attribute(value, key)
    if (held !== undefined) arrays.push(items, `${key}: ${show(held, look)}`)
  }
  const { forEach } = value as { forEach?: unknown }
  if (typeof forEach !== 'function') return
  reflect.apply(forEach, value, [
    (entry: unknown, key: unknown) => {
      if (items.length < bounds.inspectEntries) arrays.push(items, `${show(key, look)} => ${show(entry, look)}`)
    },
  ])
}

function attribute(value: object, key: string): unknown {
  try {
    return (value as Record<string, unknown>)[key]
  } catch {
    return undefined
  }
}

/** An error as its stack, or where it has none, its name and message; then its own properties and its cause. */
function showError(value: object, look: Look): string {
  const name = textOf(value, 'name') ?? 'Error'
  const message = textOf(value, 'message') ?? ''
  const title = message === '' ? name : `${name}: ${message}`
  const stack = textOf(value, 'stack')
  const text = stack === undefined || stack === '' ? `[${title}]` : stack
  const cause = objects.getOwnPropertyDescriptor(value, 'cause')
  const shown = strings.slice(text, 0, numbers.max(look.left, 0))
  if (cause === undefined || look.path.length > bounds.causeDepth) return shown
  look.left -= shown.length
  return `${shown}\n  [cause]: ${indent(showProperty(cause, look))}`
}

/** A property of an error if it is a string; the getters of `stack`, `name` and the like are run, they are the engine's or ours. */
function textOf(value: object, key: string): string | undefined {
  try {
    const held = (value as Record<string, unknown>)[key]
    return typeof held === 'string' ? held : undefined
  } catch {
    return undefined
  }
}

/** The name of an object's class; undefined for an object without a prototype. */
function nameOf(value: object): string | undefined {
  const known = interfaceOf(value)
  let proto = objects.getPrototypeOf(value)
  for (let depth = 0; proto !== null && depth < 8; depth++) {
    const made = objects.getOwnPropertyDescriptor(proto, 'constructor')?.value as unknown
    if (typeof made === 'function') {
      const name = objects.getOwnPropertyDescriptor(made, 'name')?.value as unknown
      if (typeof name === 'string' && name !== '') return strings.slice(name, 0, 200)
    }
    proto = objects.getPrototypeOf(proto)
  }
  return known
}
