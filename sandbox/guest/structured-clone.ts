/**
 * structuredClone (HTML Standard, section 2.7). Values are copied directly, nothing is written in between; what is copied, and
 * the order in which getters run, are those of the standard. What this cannot see, and so takes for a plain object: a Proxy,
 * and an object of the language that has no copy (a generator, one of `Intl`).
 */

import { blobBytes, createBlob, createFile, isBlob, isFile, typeOfBlob } from './blob.ts'
import { bounds } from './bounds.ts'
import { type Brand, brandOf, unwrap } from './brands.ts'
import { isArrayBuffer, requireArguments, toDictionary, toSequence } from './convert.ts'
import { DOMException, isDOMException } from './dom-exception.ts'
import { interfaceOf } from './idl.ts'
import {
  arrays,
  buffers,
  bytes,
  dates,
  defineValue,
  maps,
  objects,
  reflect,
  regexps,
  sets,
  strings,
} from './primordials.ts'

/** How objects of an interface go from one owner to another. */
export interface Transferable {
  is(value: unknown): value is object
  /** Throws a `DataCloneError` if it cannot be moved any more. Answers the object that will take its place. */
  create(from: object): object
  /** Moves what `from` is to `to`; `from` is detached from now on. */
  move(from: object, to: object): void
}

const transferables: Transferable[] = []
const cloners: ((value: object) => object | undefined)[] = []

/** Lets objects of an interface be transferred. */
export function addTransferable(transferable: Transferable): void {
  arrays.push(transferables, transferable)
}

/** Lets objects of an interface be cloned; `clone` answers undefined for anything else. */
export function addCloneable(clone: (value: object) => object | undefined): void {
  arrays.push(cloners, clone)
}

interface Job {
  /** What was met already, and its copy. */
  readonly memory: Map<object, unknown>
  left: number
}

interface Move {
  readonly to: object
  finish(): void
}

/** `structuredClone`. Throws a `DataCloneError`. */
export function structuredClone(value: unknown, options: unknown = undefined): unknown {
  requireArguments(arguments.length, 1, 'structuredClone')
  const { transfer } = toDictionary(options, 'the options of structuredClone')
  return cloneWithTransfer(value, transfer === undefined ? [] : toTransferList(transfer))
}

/** A transfer list as Web IDL has it: a sequence of objects. */
export function toTransferList(value: unknown): object[] {
  return toSequence(value, (element) => element as object, 'the transfer list')
}

/** A copy of a value, in which what is in `list` is moved instead. Nothing is detached unless all goes well. */
export function cloneWithTransfer(value: unknown, list: readonly unknown[]): unknown {
  const job: Job = { memory: new Map(), left: bounds.cloneValues }
  const moves: Move[] = []
  for (let index = 0; index < list.length; index++) {
    const from = list[index] as object
    const move = prepareMove(from)
    if (maps.has(job.memory, from)) throw failure('an object is in the transfer list twice')
    maps.set(job.memory, from, move.to)
    arrays.push(moves, move)
  }
  const copy = clone(value, job)
  for (let index = 0; index < moves.length; index++) moves[index]?.finish()
  return copy
}

function prepareMove(from: unknown): Move {
  if (isArrayBuffer(from)) {
    if (buffers.detached(from)) throw failure('an ArrayBuffer of the transfer list is detached')
    // The copy must be there before the original may go, so the bytes are copied and the original is detached.
    const to = emptyBuffer(from)
    return {
      to,
      finish() {
        bytes.set(new bytes.Array(to), new bytes.Array(from, 0, buffers.byteLength(to)))
        buffers.transfer(from)
      },
    }
  }
  for (let index = 0; index < transferables.length; index++) {
    const transferable = transferables[index] as Transferable
    if (!transferable.is(from)) continue
    const to = transferable.create(from)
    return { to, finish: () => transferable.move(from, to) }
  }
  throw failure('something in the transfer list cannot be transferred')
}

function clone(value: unknown, job: Job): unknown {
  if (typeof value === 'symbol') throw failure('a symbol cannot be cloned')
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value
  if (maps.has(job.memory, value)) return maps.get(job.memory, value)
  if (job.left-- === 0) throw failure(`more than ${bounds.cloneValues} objects cannot be cloned at once`)
  return cloneObject(value, brandOf(value), job)
}

function cloneObject(value: object, brand: Brand, job: Job): unknown {
  switch (brand) {
    case 'Boolean':
    case 'Number':
    case 'String':
    case 'BigInt':
      return remember(value, objects.of(unwrap[brand](value)), job)
    case 'Date':
      return remember(value, new dates.Date(dates.getTime(value)), job)
    case 'RegExp':
      return remember(value, new regexps.Expression(regexps.source(value), regexps.flags(value)), job)
    case 'ArrayBuffer':
      return remember(value, copyBuffer(value as ArrayBuffer), job)
    case 'TypedArray':
    case 'DataView':
      return remember(value, cloneView(value as ArrayBufferView, job), job)
    case 'Map':
      return cloneMap(value as Map<unknown, unknown>, job)
    case 'Set':
      return cloneSet(value as Set<unknown>, job)
    case 'Error':
      return isDOMException(value) ? remember(value, cloneException(value), job) : cloneError(value, job)
    case 'Array': {
      const copy: unknown[] = []
      copy.length = (value as readonly unknown[]).length
      return copyProperties(value, remember(value, copy, job), job)
    }
    case 'Object':
      return clonePlatformObject(value, job) ?? copyProperties(value, remember(value, {}, job), job)
    default:
      throw failure(`a ${brand} cannot be cloned`)
  }
}

function remember<T>(value: object, copy: T, job: Job): T {
  maps.set(job.memory, value, copy)
  return copy
}

/** A copy of an object of ours; undefined for an object of the site's. */
function clonePlatformObject(value: object, job: Job): object | undefined {
  if (isFile(value))
    return remember(value, createFile(blobBytes(value), typeOfBlob(value), value.name, value.lastModified), job)
  if (isBlob(value)) return remember(value, createBlob(blobBytes(value), typeOfBlob(value)), job)
  for (let index = 0; index < cloners.length; index++) {
    const copy = cloners[index]?.(value)
    if (copy !== undefined) return remember(value, copy, job)
  }
  const name = interfaceOf(value) ?? wasmKind(value)
  if (name !== undefined) throw failure(`a ${name} cannot be cloned`)
  return undefined
}

const wasmTag = /^\[object (WebAssembly\.\w+)\]$/

function wasmKind(value: object): string | undefined {
  return regexps.exec(wasmTag, objects.toString(value))?.[1]
}

function copyProperties<T extends object>(value: object, copy: T, job: Job): T {
  const keys = objects.keys(value)
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index] as string
    // A getter may have taken it away meanwhile.
    if (!objects.hasOwn(value, key)) continue
    const held = clone((value as Record<string, unknown>)[key], job)
    defineValue(copy, key, held, true)
  }
  return copy
}

function cloneMap(value: Map<unknown, unknown>, job: Job): Map<unknown, unknown> {
  const copy = remember(value, new Map<unknown, unknown>(), job)
  const entries: unknown[] = []
  maps.forEach(value, (entry, key) => arrays.push(entries, key, entry))
  for (let index = 0; index < entries.length; index += 2)
    maps.set(copy, clone(entries[index], job), clone(entries[index + 1], job))
  return copy
}

function cloneSet(value: Set<unknown>, job: Job): Set<unknown> {
  const copy = remember(value, new Set<unknown>(), job)
  const entries: unknown[] = []
  sets.forEach(value, (entry) => arrays.push(entries, entry))
  for (let index = 0; index < entries.length; index++) sets.add(copy, clone(entries[index], job))
  return copy
}

const errorTypes = objects.assign(objects.create(null), {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
}) as Readonly<Record<string, ErrorConstructor>>

/** Name, message, stack and cause: what else an error carries stays behind. */
function cloneError(value: object, job: Job): object {
  const name = (value as { readonly name?: unknown }).name
  const type = (typeof name === 'string' ? errorTypes[name] : undefined) ?? (errorTypes['Error'] as ErrorConstructor)
  const message = objects.getOwnPropertyDescriptor(value, 'message')
  const error = remember(value, new type(), job)
  if (message !== undefined && objects.hasOwn(message, 'value'))
    defineValue(error, 'message', strings.of(message.value), false)
  defineValue(error, 'stack', (value as { readonly stack?: unknown }).stack, false)
  const cause = objects.getOwnPropertyDescriptor(value, 'cause')
  if (cause !== undefined && objects.hasOwn(cause, 'value')) defineValue(error, 'cause', clone(cause.value, job), false)
  return error
}

function cloneException(value: DOMException): DOMException {
  const copy = new DOMException(value.message, value.name)
  defineValue(copy, 'stack', value.stack, false)
  return copy
}

function emptyBuffer(from: ArrayBuffer): ArrayBuffer {
  const size = buffers.byteLength(from)
  if (!buffers.resizable(from)) return new buffers.Array(size)
  return new buffers.Array(size, { maxByteLength: buffers.maxByteLength(from) })
}

function copyBuffer(from: ArrayBuffer): ArrayBuffer {
  if (buffers.detached(from)) throw failure('a detached ArrayBuffer cannot be cloned')
  const to = emptyBuffer(from)
  bytes.set(new bytes.Array(to), new bytes.Array(from))
  return to
}

function cloneView(view: ArrayBufferView, job: Job): object {
  const tag = bytes.tagOf(view)
  if (tag === undefined) {
    const from = view as DataView
    const offset = buffers.viewByteOffset(from)
    const size = buffers.viewByteLength(from)
    return new NativeDataView(clone(buffers.viewBuffer(from), job) as ArrayBuffer, offset, size)
  }
  const buffer = bytes.buffer(view)
  const offset = bytes.byteOffset(view)
  const length = bytes.length(view)
  const type = viewTypes[tag]
  if (type === undefined || buffers.detached(buffer)) throw failure('a view of a detached ArrayBuffer cannot be cloned')
  return reflect.construct(type, [clone(buffer, job), offset, length]) as object
}

const NativeDataView = DataView
const viewNames = [
  'Int8Array',
  'Uint8Array',
  'Uint8ClampedArray',
  'Int16Array',
  'Uint16Array',
  'Int32Array',
  'Uint32Array',
  'Float16Array',
  'Float32Array',
  'Float64Array',
  'BigInt64Array',
  'BigUint64Array',
]
/** The constructors of typed arrays; an older engine may not have all. Keyed by name. */
const viewTypes: Record<string, (new (...args: never[]) => object) | undefined> = objects.create(null) as never
for (const name of viewNames) viewTypes[name] = objects.getOwnPropertyDescriptor(globalThis, name)?.value as never

function failure(message: string): DOMException {
  return new DOMException(message, 'DataCloneError')
}
