/**
 * Request (Fetch Standard, section 5.4). One that a visitor sent is a face of what the host told: nothing of it is parsed until
 * a site looks.
 */

import type { ReadableStream } from 'web-streams-polyfill'
import { type AbortSignal, abort, anySignal, createSignal } from './abort.ts'
import type { Blob } from './blob.ts'
import { type Body, cloneBody, extractBody, moveBody, requireUsable } from './body.ts'
import { defineBodyMembers } from './body-members.ts'
import { isObject, requireArguments } from './convert.ts'
import type { FormData } from './form-data.ts'
import { createBox, type HeaderBox, hasName, listOf } from './header-list.ts'
import { createHeaders, type Headers, toBox } from './headers.ts'
import { defineInterface, internal } from './idl.ts'
import { arrays } from './primordials.ts'
import { type BrowserOptions, type RedirectMode, readInit, toRequestUrl } from './request-init.ts'

/** What a Request is a face of. */
export interface RequestState {
  readonly method: string
  /** Absolute and normalised. */
  readonly url: string
  readonly box: HeaderBox
  headers: Headers | undefined
  readonly body: Body | null
  readonly redirect: RedirectMode
  /** Made when somebody asks for it. */
  signal: AbortSignal | undefined
  /** Whether the signal is aborted as soon as it is made: the visitor is gone. */
  isGone: boolean
  readonly options: BrowserOptions
}

const defaultOptions: BrowserOptions = {
  cache: 'default',
  credentials: 'same-origin',
  integrity: '',
  keepalive: false,
  mode: 'cors',
  referrer: 'about:client',
  referrerPolicy: '',
}

let stateIn: (value: object) => RequestState | undefined

/** A request: one that came from a visitor, or one to be sent with `fetch`. */
export class Request {
  // Members of the Body mixin, put on the prototype below.
  declare readonly body: ReadableStream | null
  declare readonly bodyUsed: boolean
  declare readonly arrayBuffer: () => Promise<ArrayBuffer>
  declare readonly blob: () => Promise<Blob>
  declare readonly bytes: () => Promise<Uint8Array<ArrayBuffer>>
  declare readonly formData: () => Promise<FormData>
  declare readonly json: () => Promise<unknown>
  declare readonly text: () => Promise<string>
  readonly #state: RequestState

  constructor(input: unknown, init: unknown = undefined) {
    if (input === internal) {
      this.#state = init as RequestState
      return
    }
    requireArguments(arguments.length, 1, 'Request')
    this.#state = buildState(input, init)
  }

  get method(): string {
    return this.#state.method
  }

  get url(): string {
    return this.#state.url
  }

  get headers(): Headers {
    const state = this.#state
    state.headers ??= createHeaders(state.box)
    return state.headers
  }

  get destination(): string {
    void this.#state
    return ''
  }

  get referrer(): string {
    return this.#state.options.referrer
  }

  get referrerPolicy(): string {
    return this.#state.options.referrerPolicy
  }

  get mode(): string {
    return this.#state.options.mode
  }

  get credentials(): string {
    return this.#state.options.credentials
  }

  get cache(): string {
    return this.#state.options.cache
  }

  get redirect(): string {
    return this.#state.redirect
  }

  get integrity(): string {
    return this.#state.options.integrity
  }

  get keepalive(): boolean {
    return this.#state.options.keepalive
  }

  get signal(): AbortSignal {
    return signalOf(this.#state)
  }

  get duplex(): string {
    void this.#state
    return 'half'
  }

  clone(): Request {
    const state = this.#state
    const body = state.body === null ? null : cloneBody(state.body)
    const box = createBox(arrays.slice(listOf(state.box)), state.box.immutable)
    const signal = anySignal([signalOf(state)])
    return new Request(internal, { ...state, box, headers: undefined, body, signal, isGone: false })
  }

  static {
    stateIn = (value) => (#state in value ? value.#state : undefined)
  }
}

defineBodyMembers(Request, {
  bodyOf: (self) => requireState(self).body,
  headersOf: (self) => listOf(requireState(self).box),
})
defineInterface(Request, { name: 'Request' })

/** The Request of a state. */
export function createRequest(state: RequestState): Request {
  return new Request(internal, state)
}

/** The state of one that a visitor sent. `headers` is joined by `\n`. Its headers cannot be changed. */
export function visitorState(method: string, url: string, box: HeaderBox, body: Body | null): RequestState {
  const signal = undefined
  return {
    method,
    url,
    box,
    headers: undefined,
    body,
    redirect: 'manual',
    signal,
    isGone: false,
    options: defaultOptions,
  }
}

/** The state behind a Request, by its private field; undefined for anything else. */
export function requestStateOf(value: unknown): RequestState | undefined {
  return isObject(value) ? stateIn(value) : undefined
}

function requireState(value: object): RequestState {
  const state = stateIn(value)
  if (state === undefined) throw new TypeError('this is not a Request')
  return state
}

/** The signal of a request; it is made now if nobody has asked for it before. */
export function signalOf(state: RequestState): AbortSignal {
  if (state.signal === undefined) {
    state.signal = createSignal()
    if (state.isGone) abort(state.signal)
  }
  return state.signal
}

/** The visitor is gone: the signal is aborted, now or when it is made. */
export function abortRequest(state: RequestState): void {
  state.isGone = true
  if (state.signal !== undefined) abort(state.signal)
}

/** A state of what site code gives to `new Request` or `fetch`. Throws a TypeError as the standard says. */
export function buildState(input: unknown, init: unknown): RequestState {
  const source = requestStateOf(input)
  const url = source === undefined ? toRequestUrl(input) : source.url
  const given = readInit(init)
  if (source !== undefined && init === undefined) return copyState(source)
  const method = given.method ?? source?.method ?? 'GET'
  const box = given.headers === undefined ? copyBox(source?.box) : toBox(given.headers)
  const hasBody = given.body !== undefined && given.body !== null
  if ((hasBody || (given.body === undefined && source?.body)) && (method === 'GET' || method === 'HEAD'))
    throw new TypeError(`a request with method ${method} cannot have a body`)
  const body = hasBody
    ? bodyFor(given.body, box)
    : given.body === undefined && source?.body
      ? moveBody(source.body)
      : null
  const followed = given.signal === undefined ? source && signalOf(source) : given.signal
  return {
    method,
    url,
    box,
    headers: undefined,
    body,
    redirect: given.redirect ?? (source === undefined ? 'follow' : source.redirect),
    signal: followed ? anySignal([followed]) : undefined,
    isGone: false,
    options: { ...(source?.options ?? defaultOptions), ...given.options },
  }
}

function copyState(source: RequestState): RequestState {
  requireUsable(source.body)
  const body = source.body === null ? null : moveBody(source.body)
  return {
    ...source,
    box: copyBox(source.box),
    headers: undefined,
    body,
    signal: anySignal([signalOf(source)]),
    isGone: false,
  }
}

function copyBox(box: HeaderBox | undefined): HeaderBox {
  return createBox(box === undefined ? [] : arrays.slice(listOf(box)), false)
}

function bodyFor(value: unknown, box: HeaderBox): Body {
  const { body, type } = extractBody(value)
  const list = listOf(box)
  if (type !== undefined && !hasName(list, 'content-type')) arrays.push(list, 'content-type', type)
  return body
}
