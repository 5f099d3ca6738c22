/**
 * MessageEvent (HTML Standard, section 9.1).
 */

import { requireArguments, toDictionary, toDOMString, toSequence, toUSVString } from './convert.ts'
import { Event, eventControl } from './events.ts'
import { defineInterface } from './idl.ts'
import { arrays, objects } from './primordials.ts'

/** A message that has arrived at a port or a socket. */
export class MessageEvent extends Event {
  #data: unknown
  #origin: string
  #lastEventId: string
  #source: object | null
  #ports: readonly object[]

  constructor(type: unknown, init: unknown = undefined) {
    requireArguments(arguments.length, 1, 'MessageEvent')
    super(type, init)
    const { data, lastEventId, origin, ports, source } = toDictionary(init, 'the init of an event')
    this.#data = data === undefined ? null : data
    this.#lastEventId = lastEventId === undefined ? '' : toDOMString(lastEventId)
    this.#origin = origin === undefined ? '' : toUSVString(origin)
    this.#ports = ports === undefined ? objects.freeze([]) : toPorts(ports)
    this.#source = toSource(source)
  }

  get data(): unknown {
    return this.#data
  }

  get origin(): string {
    return this.#origin
  }

  get lastEventId(): string {
    return this.#lastEventId
  }

  get source(): object | null {
    return this.#source
  }

  get ports(): readonly object[] {
    return this.#ports
  }

  initMessageEvent(
    type: unknown,
    bubbles: unknown = false,
    cancelable: unknown = false,
    data: unknown = null,
    origin: unknown = '',
    lastEventId: unknown = '',
    source: unknown = null,
    ports: unknown = [],
  ): void {
    requireArguments(arguments.length, 1, 'MessageEvent.initMessageEvent')
    if (eventControl.isDispatched(this)) return
    this.initEvent(type, bubbles, cancelable)
    this.#data = data
    this.#origin = toUSVString(origin)
    this.#lastEventId = toDOMString(lastEventId)
    this.#source = toSource(source)
    this.#ports = toPorts(ports)
  }
}
defineInterface(MessageEvent)

function toPorts(value: unknown): readonly object[] {
  const ports = toSequence(value, requirePort, 'the list of ports')
  return objects.freeze(arrays.slice(ports))
}

let isPort: (value: unknown) => value is object = (_): _ is object => false

/** Says what a MessagePort is. */
export function onPortCheck(check: (value: unknown) => value is object): void {
  isPort = check
}

function requirePort(value: unknown): object {
  if (!isPort(value)) throw new TypeError('a port of a message is not a MessagePort')
  return value
}

function toSource(value: unknown): object | null {
  if (value === undefined || value === null) return null
  if (!isPort(value)) throw new TypeError('the source of a message is not a MessagePort')
  return value
}
