/**
 * The global object of site code: what Web IDL says a global looks like, without what a sandbox cannot allow.
 *
 * Off are: compiling strings (`eval` and the four constructors of functions), which the engine would allow; shared memory and
 * waiting on it, from which a clock can be made; what shows when garbage is collected; WebAssembly from bytes; a hook into
 * stacks, whose frames would hand out functions. What stays reachable through the language itself is the engine's to hold: the
 * boundary is the process, not this file.
 */

import { freezeClocks } from './clock.ts'
import { requireArguments } from './convert.ts'
import type { ErrorEvent } from './error-events.ts'
import { dispatchForSite, EventTarget, getHandler, setHandler } from './event-target.ts'
import { objects, reflect } from './primordials.ts'
import { globalTarget } from './report-error.ts'
import { boundWebAssembly } from './web-assembly.ts'

/** Classes and functions on the global, as Web IDL wants interfaces (not enumerable) and operations (enumerable). */
export function defineGlobals(
  interfaces: Readonly<Record<string, unknown>>,
  operations: Readonly<Record<string, unknown>>,
) {
  for (const [name, value] of objects.entries(interfaces)) put(globalThis, name, withName(name, value), false)
  for (const [name, value] of objects.entries(operations)) put(globalThis, name, withName(name, value), true)
}

/** Gives what stands on the global the name it stands there under: the bundler may have called it otherwise. */
function withName(name: string, value: unknown): unknown {
  if (typeof value !== 'function' || value.name === name) return value
  named(name, value)
  const { prototype } = value as { readonly prototype?: object }
  if (prototype !== undefined && objects.hasOwn(prototype, Symbol.toStringTag))
    objects.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true })
  return value
}

/** Attributes of the global that can be replaced: `self`, `crypto`, `navigator` and the like. */
export function defineAttributes(values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of objects.entries(values)) {
    const get = named(`get ${name}`, () => value)
    const set = named(`set ${name}`, (next: unknown) => put(globalThis, name, next, true))
    objects.defineProperty(globalThis, name, { get, set, enumerable: true, configurable: true })
  }
}

/** Makes the global an event target, with handlers for errors. */
export function defineGlobalEvents(): void {
  const { addEventListener, removeEventListener } = EventTarget.prototype
  const members = {
    addEventListener: (...args: unknown[]) => reflect.apply(addEventListener, globalTarget, args),
    removeEventListener: (...args: unknown[]) => reflect.apply(removeEventListener, globalTarget, args),
    dispatchEvent: (...args: unknown[]) => {
      requireArguments(args.length, 1, 'dispatchEvent')
      return dispatchForSite(globalTarget, args[0], globalThis)
    },
  }
  const lengths = { addEventListener: 2, removeEventListener: 2, dispatchEvent: 1 }
  for (const [name, member] of objects.entries<unknown>(members) as [string, object][]) {
    objects.defineProperty(member, 'length', { value: lengths[name as keyof typeof lengths], configurable: true })
    put(globalThis, name, member, true)
  }
  for (const type of ['error', 'unhandledrejection', 'rejectionhandled']) {
    const call = type === 'error' ? callErrorHandler : undefined
    const get = named(`get on${type}`, () => getHandler(globalTarget, type))
    const set = named(`set on${type}`, (value: unknown) => setHandler(globalTarget, type, value, call))
    objects.defineProperty(globalThis, `on${type}`, { get, set, enumerable: true, configurable: true })
  }
}

/** HTML Standard, section 8.1.8.1: `onerror` of a global takes five arguments, and says true to cancel. */
function callErrorHandler(handler: object, self: unknown, event: object): boolean {
  const { message, filename, lineno, colno, error } = event as ErrorEvent
  return reflect.apply(handler, self, [message, filename, lineno, colno, error]) === true
}

/** Takes away what site code must not have, and bounds the rest. Called once, before any code of the site runs. */
export function closeScope(): void {
  refuseStrings()
  for (const name of ['SharedArrayBuffer', 'FinalizationRegistry', 'WeakRef', 'ShadowRealm'])
    Reflect.deleteProperty(globalThis, name)
  for (const name of ['wait', 'waitAsync', 'notify', 'pause']) Reflect.deleteProperty(Atomics, name)
  boundWebAssembly()
  freezeClocks()
  // V8 asks this property for a function that gets the frames of a stack, with the functions that run in them.
  const hook = { get: () => undefined, set: (_: unknown) => {}, enumerable: false, configurable: false }
  objects.defineProperty(Error, 'prepareStackTrace', hook)
}

/** Replaces `eval` and what makes functions from text; `instanceof Function` goes on working. */
function refuseStrings(): void {
  put(
    globalThis,
    'eval',
    named('eval', (_: unknown) => refuse()),
    false,
  )
  const samples = [() => {}, async () => {}, function* () {}, async function* () {}]
  for (const sample of samples) {
    const prototype = objects.getPrototypeOf(sample) as { readonly constructor: { readonly name: string } }
    const { name } = prototype.constructor
    const replacement = named(name, createRefusal())
    objects.defineProperty(replacement, 'length', { value: 1, configurable: true })
    objects.defineProperty(replacement, 'prototype', { value: prototype, writable: false })
    objects.defineProperty(prototype, 'constructor', { value: replacement, writable: true, configurable: true })
    if (name === 'Function') put(globalThis, 'Function', replacement, false)
  }
}

/** A function that can be constructed, which an arrow function cannot, and only refuses. */
function createRefusal(): object {
  function refused(..._: unknown[]) {
    return refuse()
  }
  return refused
}

function refuse(): never {
  throw new EvalError('code is not made from strings here')
}

function put(owner: object, name: string, value: unknown, enumerable: boolean): void {
  objects.defineProperty(owner, name, { value, writable: true, enumerable, configurable: true })
}

function named<T extends object>(name: string, subject: T): T {
  return objects.defineProperty(subject, 'name', { value: name, configurable: true })
}
