/**
 * What libraries look for on the global when they are loaded. It is imported before them: `web-streams-polyfill` takes the
 * `DOMException` that it finds, or makes one that is not ours.
 *
 * To see whether it works, the library makes one. An error that is made while a large script runs costs milliseconds, since V8
 * parses the script again for the places in its stack; so what stands there at first makes errors only with a message.
 */

import { DOMException } from './dom-exception.ts'
import { objects } from './primordials.ts'

function make(message?: string, name?: string): object | undefined {
  return message === undefined ? undefined : new DOMException(message, name)
}

if (!objects.hasOwn(globalThis, 'DOMException')) {
  objects.defineProperty(make, 'name', { value: 'DOMException' })
  objects.defineProperty(globalThis, 'DOMException', { value: make, writable: true, configurable: true })
}
