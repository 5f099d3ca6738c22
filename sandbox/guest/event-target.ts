/**
 * EventTarget (DOM Standard, section 2.7) and handler attributes (HTML Standard, section 8.1.8.1). There is no tree: an event
 * has one target, whose listeners for the capture phase come first. What a listener throws is reported and stops nothing.
 */

import { isObject, requireArguments, toDictionary, toDOMString } from './convert.ts'
import { DOMException } from './dom-exception.ts'
import { type Event, eventControl } from './events.ts'
import { defineInterface } from './idl.ts'
import { arrays, maps, reflect } from './primordials.ts'

/** What can end a listener: an AbortSignal, which is itself an event target. */
export interface ListenerSignal {
  readonly aborted: boolean
}

interface Listener {
  readonly type: string
  readonly callback: object
  readonly capture: boolean
  readonly once: boolean
  readonly passive: boolean
  removed: boolean
}

interface Handler {
  value: object
  readonly listener: Listener
}

type Report = (thrown: unknown) => void

let report: Report = () => {}
let whenAborted: (signal: unknown, remove: () => void) => boolean = () => false

/** Says where what listeners throw goes. */
export function onListenerError(given: Report): void {
  report = given
}

/**
 * Says how a listener ends with a signal: `add` calls `remove` when it is aborted, answers whether it is already, and throws a
 * TypeError for what is no signal.
 */
export function onListenerSignal(add: (signal: unknown, remove: () => void) => boolean): void {
  whenAborted = add
}

let listenersOf: (target: EventTarget) => Listener[]
let handlersOf: (target: EventTarget) => Map<string, Handler>

/** Something that events happen at. */
export class EventTarget {
  readonly #listeners: Listener[] = []
  readonly #handlers = new Map<string, Handler>()

  addEventListener(type: unknown, callback: unknown, options: unknown = undefined): void {
    requireArguments(arguments.length, 2, 'EventTarget.addEventListener')
    const listeners = this.#listeners
    const name = toDOMString(type)
    const target = toCallback(callback)
    const { capture, once, passive, signal } = readOptions(options)
    if (target === null) {
      if (signal !== undefined) whenAborted(signal, () => {})
      return
    }
    const listener: Listener = { type: name, callback: target, capture, once, passive, removed: false }
    const remove = () => removeListener(listeners, listener)
    const known = findListener(listeners, name, target, capture) !== undefined
    if (signal !== undefined && whenAborted(signal, known ? () => {} : remove)) return
    if (!known) arrays.push(listeners, listener)
  }

  removeEventListener(type: unknown, callback: unknown, options: unknown = undefined): void {
    requireArguments(arguments.length, 2, 'EventTarget.removeEventListener')
    const listeners = this.#listeners
    const name = toDOMString(type)
    const target = toCallback(callback)
    const capture = isObject(options) ? !!(options as { capture?: unknown }).capture : !!options
    const listener = target && findListener(listeners, name, target, capture)
    if (listener) removeListener(listeners, listener)
  }

  dispatchEvent(event: unknown): boolean {
    listenersOf(this)
    requireArguments(arguments.length, 1, 'EventTarget.dispatchEvent')
    return dispatchForSite(this, event)
  }

  static {
    listenersOf = (target) => target.#listeners
    handlersOf = (target) => target.#handlers
  }
}
defineInterface(EventTarget)

/** Whether anything listens for events of a type, so that none needs be made when nothing does. */
export function hasListeners(target: EventTarget, type: string): boolean {
  const listeners = listenersOf(target)
  for (let index = 0; index < listeners.length; index++) if (listeners[index]?.type === type) return true
  return false
}

/** Dispatches an event of the prelude's own: it is trusted. `seenAs` is the target that listeners see. Answers whether its default stands. */
export function dispatch(target: EventTarget, event: Event, seenAs: object = target): boolean {
  eventControl.setTrusted(event, true)
  return run(listenersOf(target), seenAs, event)
}

/** Dispatches an event of the site's: it is not trusted. Throws as `dispatchEvent` does. */
export function dispatchForSite(target: EventTarget, event: unknown, seenAs: object = target): boolean {
  // What is no event has no such private field, which is a TypeError.
  if (eventControl.isDispatched(event as Event))
    throw new DOMException('the event is being dispatched', 'InvalidStateError')
  eventControl.setTrusted(event as Event, false)
  return run(listenersOf(target), seenAs, event as Event)
}

/** The value of a handler attribute, such as `onabort`. */
export function getHandler(target: EventTarget, type: string): object | null {
  return maps.get(handlersOf(target), type)?.value ?? null
}

/**
 * Sets a handler attribute. Its place among the listeners is that of the first time it was set (HTML Standard, section
 * 8.1.8.1). `call` is how the handler is called, and answers whether that cancels the event; by default, it says `false`.
 */
export function setHandler(
  target: EventTarget,
  type: string,
  value: unknown,
  call: (handler: object, self: unknown, event: Event) => boolean = callHandler,
): void {
  const handlers = handlersOf(target)
  const known = maps.get(handlers, type)
  if (!isObject(value)) {
    if (known !== undefined) removeListener(listenersOf(target), known.listener)
    maps.delete(handlers, type)
    return
  }
  if (known !== undefined) {
    known.value = value
    return
  }
  const callback = function (this: unknown, event: Event) {
    const handler = maps.get(handlers, type)?.value
    if (typeof handler === 'function' && call(handler, this, event)) eventControl.cancel(event)
  }
  const listener = { type, callback, capture: false, once: false, passive: false, removed: false }
  maps.set(handlers, type, { value, listener })
  arrays.push(listenersOf(target), listener)
}

function callHandler(handler: object, self: unknown, event: Event): boolean {
  return reflect.apply(handler, self, [event]) === false
}

function toCallback(value: unknown): object | null {
  if (value === null || value === undefined) return null
  if (!isObject(value)) throw new TypeError('an event listener is not an object')
  return value
}

function readOptions(options: unknown) {
  if (!isObject(options) && options !== null && options !== undefined)
    return { capture: !!options, once: false, passive: false, signal: undefined }
  const { capture, once, passive, signal } = toDictionary(options, 'options')
  return { capture: !!capture, once: !!once, passive: !!passive, signal }
}

function findListener(listeners: readonly Listener[], type: string, callback: object, capture: boolean) {
  for (let index = 0; index < listeners.length; index++) {
    const listener = listeners[index]
    if (listener?.type === type && listener.callback === callback && listener.capture === capture) return listener
  }
  return undefined
}

function removeListener(listeners: Listener[], listener: Listener): void {
  listener.removed = true
  const index = arrays.indexOf(listeners, listener)
  if (index !== -1) arrays.splice(listeners, index, 1)
}

/** Runs the listeners that are there now: those added meanwhile wait for the next event, those removed do not run. */
function run(listeners: Listener[], target: object, event: Event): boolean {
  eventControl.begin(event, target)
  const present = arrays.slice(listeners)
  const type = eventControl.typeOf(event)
  for (let phase = 0; phase < 2 && !eventControl.isStopped(event); phase++)
    for (let index = 0; index < present.length && !eventControl.isStoppedAtOnce(event); index++) {
      const listener = present[index]
      if (listener === undefined || listener.removed || listener.type !== type) continue
      if (listener.capture !== (phase === 0)) continue
      if (listener.once) removeListener(listeners, listener)
      eventControl.setPassive(event, listener.passive)
      invoke(listener.callback, target, event)
      eventControl.setPassive(event, false)
    }
  eventControl.end(event)
  return !eventControl.isCanceled(event)
}

function invoke(callback: object, target: object, event: Event): void {
  try {
    if (typeof callback === 'function') {
      reflect.apply(callback, target, [event])
      return
    }
    const { handleEvent } = callback as { handleEvent?: unknown }
    if (typeof handleEvent !== 'function') throw new TypeError('the handleEvent of an event listener is not a function')
    reflect.apply(handleEvent, callback, [event])
  } catch (thrown) {
    report(thrown)
  }
}
