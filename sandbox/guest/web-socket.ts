/**
 * WebSockets on the server's side: a `WebSocketPair` is two ends that are joined. One goes to the visitor with an answer of
 * status 101; what is sent into the other comes out there. The names are those of WebSockets Standard where it has them.
 */

import type { SocketClose } from '../bridge-shapes.ts'
import { CloseEvent } from './close-event.ts'
import { requireArguments, toUnsignedShort, toUSVString } from './convert.ts'
import { DOMException } from './dom-exception.ts'
import { dispatch, EventTarget, getHandler, setHandler } from './event-target.ts'
import { defineInterface, internal } from './idl.ts'
import { MessageEvent } from './message-event.ts'
import { arrays, bytes, promises } from './primordials.ts'
import { type Message, sizeOf, socketBounds, toMessage } from './socket-message.ts'
import { encodeUtf8 } from './utf8.ts'

/** The visitor, to whom one end was given. */
export interface VisitorLink {
  /** Throws a `QuotaExceededError` when more waits than may. */
  message(data: Message): void
  /** `code` is 0 for none. */
  close(code: number, reason: string): void
  bufferedBytes(): number
}

/** There was no code in a close (RFC 6455 section 7.4.1). */
const noStatus = 1005
/** The connection broke off. */
const abnormal = 1006
const states = { CONNECTING: 0, OPEN: 1, CLOSING: 2, CLOSED: 3 } as const

/** What the prelude does with an end; site code cannot reach it. */
interface SocketControl {
  is(value: unknown): value is WebSocket
  join(socket: WebSocket, other: WebSocket): void
  /** Something comes in at this end. */
  arrive(socket: WebSocket, data: Message): void
  arriveClose(socket: WebSocket, close: SocketClose): void
  reserve(socket: WebSocket): void
  give(socket: WebSocket, link: VisitorLink): WebSocket
}

let control: SocketControl

/** One end of a pair. */
export class WebSocket extends EventTarget {
  #state: number = states.CONNECTING
  #binaryType = 'arraybuffer'
  #other: WebSocket | undefined
  #isGiven = false
  #visitor: VisitorLink | undefined
  #waitingBytes = 0
  /** What came in before `accept`. */
  #waiting: Message[] = []
  #waitingClose: SocketClose | undefined

  constructor(key: unknown = undefined) {
    if (key !== internal) throw new DOMException('sockets to other servers are not offered', 'NotSupportedError')
    super()
  }

  /** Begins to take what comes in; before that nothing is sent either. */
  accept(): void {
    if (this.#isGiven) throw new TypeError('this end was given to the visitor')
    if (this.#state !== states.CONNECTING) return
    this.#state = states.OPEN
    const waiting = this.#waiting
    this.#waiting = []
    for (let index = 0; index < waiting.length; index++) this.#arrive(waiting[index] as Message)
    if (this.#waitingClose !== undefined) this.#arriveClose(this.#waitingClose)
  }

  /** Sends a message: a string, bytes or a blob, of at most 1 MiB. */
  send(data: unknown): void {
    requireArguments(arguments.length, 1, 'WebSocket.send')
    const message = toMessage(data)
    if (this.#isGiven) throw new TypeError('this end was given to the visitor')
    if (this.#state === states.CONNECTING) throw new DOMException('accept the WebSocket before', 'InvalidStateError')
    if (this.#state === states.OPEN && this.#other !== undefined) this.#other.#arrive(message)
  }

  /** Closes the socket (RFC 6455 section 7): `code` is 1000 or 3000 to 4999, `reason` at most 123 bytes. */
  close(code: unknown = undefined, reason: unknown = undefined): void {
    const number = code === undefined ? undefined : toUnsignedShort(code, 'clamp')
    const text = reason === undefined ? '' : toUSVString(reason)
    if (number !== undefined && !isCloseCode(number))
      throw new DOMException(`a WebSocket cannot be closed with code ${number}`, 'InvalidAccessError')
    if (bytes.byteLength(encodeUtf8(text)) > 123)
      throw new DOMException('the reason has more than 123 bytes', 'SyntaxError')
    if (this.#isGiven) throw new TypeError('this end was given to the visitor')
    if (this.#state >= states.CLOSING) return
    this.#state = states.CLOSING
    this.#closeOther(number ?? 0, text)
  }

  get readyState(): number {
    return this.#state
  }

  get bufferedAmount(): number {
    const other = this.#other
    return other === undefined ? 0 : (other.#visitor?.bufferedBytes() ?? 0)
  }

  get url(): string {
    void this.#state
    return ''
  }

  get protocol(): string {
    void this.#state
    return ''
  }

  get extensions(): string {
    void this.#state
    return ''
  }

  /** `arraybuffer`, as what comes in as bytes always is. */
  get binaryType(): string {
    return this.#binaryType
  }

  set binaryType(value: unknown) {
    void this.#binaryType
    if (value !== 'arraybuffer') throw new DOMException('only arraybuffer is offered', 'NotSupportedError')
  }

  get onopen(): object | null {
    return getHandler(this, 'open')
  }

  set onopen(value: unknown) {
    setHandler(this, 'open', value)
  }

  get onmessage(): object | null {
    return getHandler(this, 'message')
  }

  set onmessage(value: unknown) {
    setHandler(this, 'message', value)
  }

  get onclose(): object | null {
    return getHandler(this, 'close')
  }

  set onclose(value: unknown) {
    setHandler(this, 'close', value)
  }

  get onerror(): object | null {
    return getHandler(this, 'error')
  }

  set onerror(value: unknown) {
    setHandler(this, 'error', value)
  }

  /** What comes in is shown in a later turn: listeners are added after `accept` as often as before it. */
  #arrive(data: Message): void {
    if (this.#visitor !== undefined) this.#visitor.message(data)
    else if (this.#state === states.CONNECTING) this.#keep(data)
    else later(() => this.#show(data))
  }

  #keep(data: Message): void {
    this.#waitingBytes += sizeOf(data)
    if (this.#waiting.length >= socketBounds.buffered || this.#waitingBytes > socketBounds.bufferedBytes)
      throw new DOMException('more waits at the other end than may', 'QuotaExceededError')
    arrays.push(this.#waiting, data)
  }

  #show(data: Message): void {
    if (this.#state !== states.OPEN) return
    const shown = typeof data === 'string' ? data : bytes.buffer(data)
    dispatch(this, new MessageEvent('message', { data: shown }))
  }

  #arriveClose(close: SocketClose): void {
    if (this.#state === states.CONNECTING) this.#waitingClose = close
    else later(() => this.#end(close))
  }

  #end(close: SocketClose): void {
    if (this.#state === states.CLOSED) return
    // The other side is answered with its own code (RFC 6455 section 5.5.1).
    if (this.#state === states.OPEN && close.code !== abnormal)
      this.#closeOther(close.code === noStatus ? 0 : close.code, close.reason)
    this.#state = states.CLOSED
    dispatch(this, new CloseEvent('close', close))
  }

  #closeOther(code: number, reason: string): void {
    const other = this.#other
    if (other === undefined) return
    if (other.#visitor !== undefined) other.#visitor.close(code, reason)
    else if (other.#state !== states.CLOSED) {
      const close = { code: code || noStatus, reason, wasClean: true }
      other.#arriveClose(close)
      // There is no network between the two, so nothing has to come back.
      if (this.#state === states.CLOSING) this.#arriveClose(close)
    }
  }

  #give(link: VisitorLink): void {
    this.#visitor = link
    for (let index = 0; index < this.#waiting.length; index++) link.message(this.#waiting[index] as Message)
    if (this.#waitingClose !== undefined)
      link.close(this.#waitingClose.code === noStatus ? 0 : this.#waitingClose.code, this.#waitingClose.reason)
    this.#waiting = []
  }

  static {
    control = {
      is: (value): value is WebSocket => typeof value === 'object' && value !== null && #other in value,
      join(socket, other) {
        socket.#other = other
      },
      arrive: (socket, data) => socket.#arrive(data),
      arriveClose: (socket, close) => socket.#arriveClose(close),
      reserve(socket) {
        if (socket.#isGiven || socket.#state !== states.CONNECTING)
          throw new TypeError('the WebSocket of a response was accepted or given away before')
        socket.#isGiven = true
      },
      give(socket, link) {
        socket.#give(link)
        return socket.#other ?? socket
      },
    }
  }
}
defineInterface(WebSocket, { constants: states })

/** Two ends that are joined: `0` for the visitor, `1` for the handler. */
export class WebSocketPair {
  declare readonly 0: WebSocket
  declare readonly 1: WebSocket

  constructor() {
    const first = new WebSocket(internal)
    const second = new WebSocket(internal)
    control.join(first, second)
    control.join(second, first)
    this[0] = first
    this[1] = second
  }
}
defineInterface(WebSocketPair)

/** Whether a value is an end of a pair, by its private fields. */
export function isWebSocket(value: unknown): value is WebSocket {
  return control.is(value)
}

/** Sets an end aside for a visitor. Throws a TypeError when it is in use. */
export function reserveEnd(end: WebSocket): void {
  control.reserve(end)
}

/**
 * Gives an end that was set aside to a visitor: what the handler has sent and sends into its own end goes to `link`. Answers how
 * what comes from the visitor gets to the handler's end.
 */
export function giveEnd(end: WebSocket, link: VisitorLink) {
  const own = control.give(end, link)
  return {
    arrive: (data: Message) => control.arrive(own, data),
    close: (close: SocketClose) => control.arriveClose(own, close),
  }
}

/** How a connection ends that breaks off. */
export const brokenOff: SocketClose = { code: abnormal, reason: '', wasClean: false }

function later(run: () => void): void {
  void promises.then(promises.of(undefined), run)
}

function isCloseCode(code: number): boolean {
  return code === 1000 || (code >= 3000 && code <= 4999)
}
