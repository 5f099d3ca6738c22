/**
 * WebAssembly, bounded: modules come with the upload, where they were checked (sandbox/wasm), and none is made of bytes here.
 * Memories are not shared, which is also the last way to a SharedArrayBuffer. Promises are ours, since those of the engine are
 * settled by tasks that no entry runs.
 */

import { isObject, requireArguments } from './convert.ts'
import { objects, promises, reflect } from './primordials.ts'

type Constructor = new (...args: never[]) => object

/** The engine's namespace, as far as it is used here. */
interface Engine {
  readonly Module: Constructor
  readonly Instance: Constructor
  readonly Memory: Constructor
  readonly CompileError: ErrorConstructor
}

const engine = objects.getOwnPropertyDescriptor(globalThis, 'WebAssembly')?.value as Engine
const { Module, Instance, Memory, CompileError } = engine
const noBytes = 'WebAssembly modules are not made of bytes here: upload them with the site and take them from env.WASM'

/** A module of the upload, compiled. Throws a CompileError. */
export function compileUploaded(content: Uint8Array): object {
  return reflect.construct(Module, [content as never]) as object
}

function isModule(value: unknown): boolean {
  if (!isObject(value)) return false
  try {
    // Throws for what is no module; what it answers does not matter.
    reflect.apply(exportsOf, Module, [value])
    return true
  } catch {
    return false
  }
}

const exportsOf = (Module as unknown as { exports: unknown }).exports

/** A constructor that stands in for one of the engine: the same prototype, name and statics, another way to make one. */
function standIn(original: Constructor, construct: (args: readonly unknown[], target: unknown) => object): Constructor {
  const name = objects.getOwnPropertyDescriptor(original, 'name')?.value as string
  const replacement = function (this: unknown, ...args: unknown[]) {
    if (new.target === undefined) throw new TypeError(`WebAssembly.${name} is a constructor`)
    return construct(args, new.target)
  } as unknown as Constructor
  for (const key of reflect.ownKeys(original)) {
    const descriptor = objects.getOwnPropertyDescriptor(original, key)
    if (descriptor !== undefined && key !== 'prototype') objects.defineProperty(replacement, key, descriptor)
  }
  const { prototype } = original as { prototype: object }
  objects.defineProperty(replacement, 'prototype', { value: prototype, writable: false, configurable: false })
  objects.defineProperty(prototype, 'constructor', { value: replacement, writable: true, configurable: true })
  return replacement
}

function memoryOf(args: readonly unknown[], target: unknown): object {
  const given = args[0]
  if (!isObject(given)) throw new TypeError('WebAssembly.Memory: the descriptor is not an object')
  const { initial, maximum, minimum, shared, address, index } = given as Record<string, unknown>
  if (shared) throw new TypeError('WebAssembly.Memory: shared memory is not available')
  if ((address ?? index ?? 'i32') !== 'i32') throw new TypeError('WebAssembly.Memory: only i32 addresses are available')
  // Only what was looked at goes on: a getter cannot say another thing the second time.
  const descriptor = objects.create(null) as Record<string, unknown>
  if (initial !== undefined) descriptor['initial'] = initial
  if (minimum !== undefined) descriptor['minimum'] = minimum
  if (maximum !== undefined) descriptor['maximum'] = maximum
  return reflect.construct(Memory, [descriptor as never], target as never) as object
}

/** `WebAssembly.instantiate(module, imports)`, with bytes a rejection. */
function instantiate(source: unknown, imports: unknown = undefined): Promise<object> {
  try {
    requireArguments(arguments.length, 1, 'WebAssembly.instantiate')
    if (!isModule(source)) throw new CompileError(noBytes)
    return promises.of(reflect.construct(Instance, [source as never, imports as never]) as object)
  } catch (thrown) {
    return promises.reject(thrown)
  }
}

/** Puts what is bounded in the place of the engine's own. Called once, before any code of the site runs. */
export function boundWebAssembly(): void {
  const refuse = () => {
    throw new CompileError(noBytes)
  }
  define('Module', standIn(Module, refuse))
  define('Memory', standIn(Memory, memoryOf))
  define('instantiate', instantiate)
  define('compile', { compile: (_: unknown) => promises.reject(new CompileError(noBytes)) }.compile)
  // What asks whether bytes could be used is told the truth: they could not.
  define('validate', { validate: (_: unknown) => false }.validate)
  for (const name of [
    'compileStreaming',
    'instantiateStreaming',
    'Function',
    'promising',
    'Suspending',
    'SuspendError',
  ])
    Reflect.deleteProperty(engine, name)
}

function define(name: string, value: unknown): void {
  objects.defineProperty(engine, name, { value, writable: true, enumerable: false, configurable: true })
}
