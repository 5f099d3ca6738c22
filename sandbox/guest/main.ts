/**
 * The prelude: what runs in an isolate before any code of the site, as one script. It takes the host's function, builds the
 * global, takes away what must not be there, and leaves the entries that the host calls (sandbox/bridge.ts).
 */

import { defineName, entryNames, type GuestEntries, type HostCall, hostCallName } from '../bridge.ts'
import { attributes, interfaces, operations } from './globals.ts'
import { connect, enter } from './host.ts'
import { deliver } from './operations.ts'
import { objects } from './primordials.ts'
import { closeScope, defineAttributes, defineGlobalEvents, defineGlobals } from './scope.ts'
import { defineSite, dispatch, load } from './site.ts'
import { tick } from './timers.ts'

const entries: GuestEntries = {
  dispatch,
  deliver,
  load,
  tick(id, nowMs) {
    enter(id)
    tick(id, nowMs)
  },
}

connect(take(hostCallName) as HostCall)
defineGlobals(interfaces, operations)
defineAttributes(attributes)
defineGlobalEvents()
closeScope()
leave(defineName, defineSite)
for (const [key, name] of objects.entries(entryNames)) leave(name, entries[key as keyof GuestEntries])

/** Takes a value off the global. */
function take(name: string): unknown {
  const value = objects.getOwnPropertyDescriptor(globalThis, name)?.value as unknown
  Reflect.deleteProperty(globalThis, name)
  return value
}

/** Puts a value on the global that the host, or the bundle, takes off it again. */
function leave(name: string, value: unknown): void {
  objects.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true })
}
