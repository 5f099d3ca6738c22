/**
 * Whatever was thrown as plain text: name, message and stack, at most `bridgeLimits.errorChars` in all. Getters of what was
 * thrown are run under guard; that they end is the entry's time limit's to see to, and this runs inside of an entry.
 */

import { bridgeLimits } from '../bridge.ts'
import type { GuestError } from '../bridge-shapes.ts'
import { bounds } from './bounds.ts'
import { inspect } from './inspect.ts'
import { json, numbers, objects, strings } from './primordials.ts'

/** Something thrown as {@link GuestError}. It never throws. */
export function describe(thrown: unknown): GuestError {
  if (typeof thrown !== 'object' || thrown === null) return make('Error', `thrown: ${shortly(thrown)}`, '')
  const stack = read(thrown, 'stack')
  const message = read(thrown, 'message')
  if (stack === undefined && message === undefined) return make('Error', `thrown: ${shortly(thrown)}`, '')
  return make(read(thrown, 'name') ?? 'Error', message ?? '', (stack ?? '') + describeCause(thrown, 1))
}

/** Something thrown as JSON of {@link GuestError}, as the bridge takes it. It never throws. */
export function describeJson(thrown: unknown): string {
  const { name, message, stack } = describe(thrown)
  for (let room: number = stack.length; ; room = numbers.floor(room / 2)) {
    const text = stringify(name, message, strings.slice(stack, 0, room))
    // Escapes lengthen a text; without a stack, the longest message and name fit.
    if (text.length <= bridgeLimits.errorChars) return text
    if (room === 0) return stringify(name, 'a message that is too long', '')
  }
}

function stringify(name: string, message: string, stack: string): string {
  // Without a prototype: a toJSON that the site put on Object.prototype is not called.
  const plain = objects.assign(objects.create(null), { name, message, stack })
  return json.stringify(plain) ?? '{}'
}

function make(name: string, message: string, stack: string): GuestError {
  return {
    name: strings.slice(name, 0, 100),
    message: strings.slice(message, 0, bounds.messageChars),
    stack: strings.slice(stack, 0, bounds.stackChars),
  }
}

function describeCause(thrown: object, depth: number): string {
  let cause: unknown
  try {
    cause = (thrown as { readonly cause?: unknown }).cause
  } catch {
    return ''
  }
  if (cause === undefined || depth > bounds.causeDepth) return ''
  if (typeof cause !== 'object' || cause === null) return `\nCaused by: ${shortly(cause)}`
  const text = read(cause, 'stack') ?? read(cause, 'message') ?? shortly(cause)
  return `\nCaused by: ${strings.slice(text, 0, bounds.stackChars)}${describeCause(cause, depth + 1)}`
}

function read(thrown: object, key: 'name' | 'message' | 'stack'): string | undefined {
  try {
    const held = (thrown as Record<string, unknown>)[key]
    return typeof held === 'string' ? held : undefined
  } catch {
    return undefined
  }
}

function shortly(value: unknown): string {
  try {
    return inspect(value, bounds.messageChars, 1)
  } catch {
    return 'a value that cannot be shown'
  }
}
