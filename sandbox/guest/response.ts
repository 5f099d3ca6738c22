/** Response (Fetch Standard, section 5.5), and its `webSocket`, by which an upgrade is answered. */

import type { ReadableStream } from 'web-streams-polyfill'
import type { Blob } from './blob.ts'
import { type Body, cloneBody, extractBody } from './body.ts'
import { defineBodyMembers } from './body-members.ts'
import { isObject, requireArguments, toByteString, toDictionary, toUnsignedShort, toUSVString } from './convert.ts'
import type { FormData } from './form-data.ts'
import { createBox, type HeaderBox, hasName, isSendableValue, listOf } from './header-list.ts'
import { createHeaders, type Headers, toBox } from './headers.ts'
import { defineInterface, internal } from './idl.ts'
import { arrays, json } from './primordials.ts'
import { parseUrl, part } from './url-parts.ts'
import { isWebSocket, type WebSocket } from './web-socket.ts'

/** What a Response is a face of. */
export interface ResponseState {
  readonly type: 'default' | 'basic' | 'error'
  /** 0 of an error; else 200 to 599, or 101 with a WebSocket. */
  readonly status: number
  readonly statusText: string
  readonly url: string
  readonly redirected: boolean
  readonly box: HeaderBox
  headers: Headers | undefined
  readonly body: Body | null
  readonly webSocket: WebSocket | null
}

let stateIn: (value: object) => ResponseState | undefined

/** An answer: one that a handler gives, or one that `fetch` got. */
export class Response {
  // Members of the Body mixin, put on the prototype below.
  declare readonly body: ReadableStream | null
  declare readonly bodyUsed: boolean
  declare readonly arrayBuffer: () => Promise<ArrayBuffer>
  declare readonly blob: () => Promise<Blob>
  declare readonly bytes: () => Promise<Uint8Array<ArrayBuffer>>
  declare readonly formData: () => Promise<FormData>
  declare readonly json: () => Promise<unknown>
  declare readonly text: () => Promise<string>
  readonly #state: ResponseState

  constructor(body: unknown = null, init: unknown = undefined) {
    if (body === internal) {
      this.#state = init as ResponseState
      return
    }
    const given = readInit(init)
    if (body === null || body === undefined) {
      this.#state = createState(given, null)
      return
    }
    const extracted = extractBody(body)
    this.#state = createState(given, extracted.body, extracted.type)
  }

  static error(): Response {
    return new Response(internal, {
      type: 'error',
      status: 0,
      statusText: '',
      url: '',
      redirected: false,
      box: createBox([], true),
      headers: undefined,
      body: null,
      webSocket: null,
    } satisfies ResponseState)
  }

  static redirect(url: unknown, status: unknown = 302): Response {
    requireArguments(arguments.length, 1, 'Response.redirect')
    const parts = parseUrl(toUSVString(url))
    const code = toUnsignedShort(status)
    if (parts === undefined) throw new TypeError('the target of a redirect is not an absolute URL')
    if (!arrays.includes(redirectStatuses, code)) throw new RangeError(`${code} is not the status of a redirect`)
    const box = createBox(['location', parts[part.href] ?? ''], true)
    return new Response(internal, createState({ status: code, statusText: '', box, webSocket: null }, null))
  }

  static json(data: unknown, init: unknown = undefined): Response {
    requireArguments(arguments.length, 1, 'Response.json')
    const text = json.stringify(data) as string | undefined
    if (text === undefined) throw new TypeError('the value has no JSON')
    const given = readInit(init)
    return new Response(internal, createState(given, extractBody(text).body, 'application/json'))
  }

  get type(): string {
    return this.#state.type
  }

  get url(): string {
    return this.#state.url
  }

  get redirected(): boolean {
    return this.#state.redirected
  }

  get status(): number {
    return this.#state.status
  }

  get ok(): boolean {
    const { status } = this.#state
    return status >= 200 && status <= 299
  }

  get statusText(): string {
    return this.#state.statusText
  }

  get headers(): Headers {
    const state = this.#state
    state.headers ??= createHeaders(state.box)
    return state.headers
  }

  /** The other end of a {@link WebSocketPair}, which the visitor gets; null of every other answer. */
  get webSocket(): WebSocket | null {
    return this.#state.webSocket
  }

  clone(): Response {
    const state = this.#state
    if (state.webSocket !== null) throw new TypeError('an answer with a WebSocket cannot be cloned')
    const body = state.body === null ? null : cloneBody(state.body)
    const box = createBox(arrays.slice(listOf(state.box)), state.box.immutable)
    return new Response(internal, { ...state, box, headers: undefined, body })
  }

  static {
    stateIn = (value) => (#state in value ? value.#state : undefined)
  }
}

defineBodyMembers(Response, {
  bodyOf: (self) => requireState(self).body,
  headersOf: (self) => listOf(requireState(self).box),
})
defineInterface(Response, { name: 'Response' })

/** The Response of a state. */
export function createResponse(state: ResponseState): Response {
  return new Response(internal, state)
}

/** The state behind a Response, by its private field; undefined for anything else. */
export function responseStateOf(value: unknown): ResponseState | undefined {
  return isObject(value) ? stateIn(value) : undefined
}

function requireState(value: object): ResponseState {
  const state = stateIn(value)
  if (state === undefined) throw new TypeError('this is not a Response')
  return state
}

interface Init {
  readonly status: number
  readonly statusText: string
  readonly box: HeaderBox
  readonly webSocket: WebSocket | null
}

const redirectStatuses: readonly number[] = [301, 302, 303, 307, 308]

/** Statuses whose answers have no body (Fetch Standard, "null body status"). */
const nullBodyStatuses: readonly number[] = [101, 103, 204, 205, 304]

function readInit(init: unknown): Init {
  if (init === undefined) return { status: 200, statusText: '', box: createBox([], false), webSocket: null }
  const { headers, status = 200, statusText = '', webSocket = null } = toDictionary(init, 'the init of a response')
  const box = toBox(headers)
  const code = toUnsignedShort(status)
  const text = toByteString(statusText)
  if (webSocket !== null && !isWebSocket(webSocket)) throw new TypeError('the webSocket of a response is none')
  if (code !== 101 || webSocket === null) requireStatus(code)
  if (!isSendableValue(text)) throw new TypeError('the status text has characters that cannot be sent')
  if (webSocket !== null && code !== 101)
    throw new RangeError(`a response with a WebSocket has status 101, not ${code}`)
  return { status: code, statusText: text, box, webSocket }
}

function requireStatus(status: number): void {
  if (status < 200 || status > 599) throw new RangeError(`the status of a response is 200 to 599, not ${status}`)
}

function createState(init: Init, body: Body | null, contentType?: string): ResponseState {
  const { status, statusText, box, webSocket } = init
  if (body !== null && arrays.includes(nullBodyStatuses, status))
    throw new TypeError(`a response with status ${status} cannot have a body`)
  if (contentType !== undefined) {
    const list = listOf(box)
    if (!hasName(list, 'content-type')) arrays.push(list, 'content-type', contentType)
  }
  return { type: 'default', status, statusText, url: '', redirected: false, box, headers: undefined, body, webSocket }
}
