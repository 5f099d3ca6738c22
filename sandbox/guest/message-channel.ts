/**
 * MessageChannel and MessagePort (HTML Standard, section 9.4). Both ends are in this isolate; a message arrives in an entry of
 * its own, charged to the request that posted it.
 */

import { bounds } from './bounds.ts'
import { isObject, iteratorMethod, requireArguments, toDictionary } from './convert.ts'
import { DOMException } from './dom-exception.ts'
import { dispatch, EventTarget, getHandler, setHandler } from './event-target.ts'
import { defineInterface, internal, requireInternal } from './idl.ts'
import { MessageEvent, onPortCheck } from './message-event.ts'
import { arrays } from './primordials.ts'
import { addTransferable, cloneWithTransfer, toTransferList } from './structured-clone.ts'
import { queueTask } from './timers.ts'

interface Message {
  readonly data: unknown
  readonly ports: readonly object[]
}

/** What the two ends of a channel and a move of one of them share. */
interface End {
  /** The port that the end is now; it changes when it is transferred. */
  port: MessagePort | undefined
  other: End | undefined
  readonly queue: Message[]
  started: boolean
}

let entangle: (first: MessagePort, second: MessagePort) => void
let endOf: (port: MessagePort) => End | undefined
let takeEnd: (from: MessagePort, to: MessagePort) => void
let isPort: (value: unknown) => value is MessagePort

/** One end of a channel. */
export class MessagePort extends EventTarget {
  /** Undefined once the port was transferred. */
  #end: End | undefined = { port: this, other: undefined, queue: [], started: false }

  constructor(key: unknown = undefined) {
    requireInternal(key)
    super()
  }

  postMessage(message: unknown, options: unknown = undefined): void {
    const end = this.#end
    requireArguments(arguments.length, 1, 'MessagePort.postMessage')
    const list = readTransfer(options)
    if (arrays.includes(list as readonly unknown[], this))
      throw new DOMException('a port cannot be sent through itself', 'DataCloneError')
    // A list of its own, so that ports which are moved can be told from the copy.
    const copy = cloneWithTransfer({ message, list }, list) as { readonly message: unknown; readonly list: object[] }
    const target = end?.other
    if (target === undefined || target.queue.length >= bounds.portMessages) return
    const ports: object[] = []
    for (let index = 0; index < copy.list.length; index++)
      if (isPort(copy.list[index])) arrays.push(ports, copy.list[index] as object)
    arrays.push(target.queue, { data: copy.message, ports })
    if (target.started) queueTask(() => deliverOne(target))
  }

  start(): void {
    const end = this.#end
    if (end === undefined || end.started) return
    end.started = true
    for (let index = 0; index < end.queue.length; index++) queueTask(() => deliverOne(end))
  }

  close(): void {
    const end = this.#end
    if (end?.other !== undefined) end.other.other = undefined
    if (end !== undefined) end.other = undefined
  }

  get onmessage(): object | null {
    return getHandler(this, 'message')
  }

  set onmessage(value: unknown) {
    setHandler(this, 'message', value)
    this.start()
  }

  get onmessageerror(): object | null {
    return getHandler(this, 'messageerror')
  }

  set onmessageerror(value: unknown) {
    setHandler(this, 'messageerror', value)
  }

  static {
    isPort = (value): value is MessagePort => isObject(value) && #end in value
    endOf = (port) => port.#end
    entangle = (first, second) => {
      const one = first.#end as End
      const two = second.#end as End
      one.other = two
      two.other = one
    }
    takeEnd = (from, to) => {
      const end = from.#end as End
      end.port = to
      end.started = false
      to.#end = end
      from.#end = undefined
    }
  }
}
defineInterface(MessagePort)

/** Two ports, each of which gets what the other posts. */
export class MessageChannel {
  readonly #port1 = new MessagePort(internal)
  readonly #port2 = new MessagePort(internal)

  constructor() {
    entangle(this.#port1, this.#port2)
  }

  get port1(): MessagePort {
    return this.#port1
  }

  get port2(): MessagePort {
    return this.#port2
  }
}
defineInterface(MessageChannel)

function deliverOne(end: End): void {
  if (!end.started || end.port === undefined) return
  const message = arrays.shift(end.queue)
  if (message === undefined) return
  dispatch(end.port, new MessageEvent('message', { data: message.data, ports: message.ports }))
}

/** The transfer list of `postMessage(message, list)` or `postMessage(message, { transfer })`. */
function readTransfer(options: unknown): readonly object[] {
  if (isObject(options) && iteratorMethod(options) !== undefined) return toTransferList(options)
  const { transfer } = toDictionary(options, 'the options of postMessage')
  return transfer === undefined ? [] : toTransferList(transfer)
}

onPortCheck(isPort)
addTransferable({
  is: isPort,
  create(from) {
    if (endOf(from as MessagePort) === undefined)
      throw new DOMException('a port was transferred before', 'DataCloneError')
    return new MessagePort(internal)
  },
  move: (from, to) => takeEnd(from as MessagePort, to as MessagePort),
})
