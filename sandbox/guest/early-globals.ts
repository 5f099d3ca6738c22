/**
 * What libraries look for on the global when they are loaded. It is imported before them: `web-streams-polyfill` takes the
 * `DOMException` that it finds, or makes one that is not ours.
 */

import { DOMException } from './dom-exception.ts'
import { objects } from './primordials.ts'

if (!objects.hasOwn(globalThis, 'DOMException'))
  objects.defineProperty(globalThis, 'DOMException', { value: DOMException, writable: true, configurable: true })
