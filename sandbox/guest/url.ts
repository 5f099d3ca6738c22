/**
 * URL (URL Standard, section 6.1).
 */

import { urlParts as settable } from '../bridge.ts'
import { requireArguments, toUSVString } from './convert.ts'
import { defineInterface, internal } from './idl.ts'
import { strings } from './primordials.ts'
import { parseUrl, part, setPart, type UrlParts } from './url-parts.ts'
import { createQuery, replaceQuery, type URLSearchParams } from './url-search-params.ts'

/** A parsed URL. */
export class URL {
  #parts: UrlParts
  #params: URLSearchParams | undefined

  constructor(url: unknown, base: unknown = undefined) {
    requireArguments(arguments.length, 1, 'URL')
    // Inside the prelude, one is made of parts that are already there.
    this.#parts = base === internal ? (url as UrlParts) : parseOrThrow(url, base)
  }

  static parse(url: unknown, base: unknown = undefined): URL | null {
    requireArguments(arguments.length, 1, 'URL.parse')
    const parts = parse(url, base)
    return parts === undefined ? null : new URL(parts, internal)
  }

  static canParse(url: unknown, base: unknown = undefined): boolean {
    requireArguments(arguments.length, 1, 'URL.canParse')
    return parse(url, base) !== undefined
  }

  get href(): string {
    return this.#get(part.href)
  }

  set href(value: unknown) {
    this.#parts
    this.#parts = parseOrThrow(value, undefined)
    if (this.#params !== undefined) replaceQuery(this.#params, strings.slice(this.#get(part.search), 1))
  }

  get origin(): string {
    return this.#get(part.origin)
  }

  get protocol(): string {
    return this.#get(part.protocol)
  }

  set protocol(value: unknown) {
    this.#set(settable.protocol, value)
  }

  get username(): string {
    return this.#get(part.username)
  }

  set username(value: unknown) {
    this.#set(settable.username, value)
  }

  get password(): string {
    return this.#get(part.password)
  }

  set password(value: unknown) {
    this.#set(settable.password, value)
  }

  get host(): string {
    return this.#get(part.host)
  }

  set host(value: unknown) {
    this.#set(settable.host, value)
  }

  get hostname(): string {
    return this.#get(part.hostname)
  }

  set hostname(value: unknown) {
    this.#set(settable.hostname, value)
  }

  get port(): string {
    return this.#get(part.port)
  }

  set port(value: unknown) {
    this.#set(settable.port, value)
  }

  get pathname(): string {
    return this.#get(part.pathname)
  }

  set pathname(value: unknown) {
    this.#set(settable.pathname, value)
  }

  get search(): string {
    return this.#get(part.search)
  }

  set search(value: unknown) {
    this.#set(settable.search, value)
    if (this.#params !== undefined) replaceQuery(this.#params, strings.slice(this.#get(part.search), 1))
  }

  get searchParams(): URLSearchParams {
    this.#params ??= createQuery(strings.slice(this.#get(part.search), 1), (query) => {
      this.#parts = setPart(this.#parts, settable.search, query)
    })
    return this.#params
  }

  get hash(): string {
    return this.#get(part.hash)
  }

  set hash(value: unknown) {
    this.#set(settable.hash, value)
  }

  toJSON(): string {
    return this.#get(part.href)
  }

  toString(): string {
    return this.#get(part.href)
  }

  #get(index: number): string {
    return this.#parts[index] ?? ''
  }

  #set(name: number, value: unknown): void {
    this.#parts
    const text = toUSVString(value)
    this.#parts = setPart(this.#parts, name, text)
  }
}
defineInterface(URL, { name: 'URL' })

function parse(url: unknown, base: unknown): UrlParts | undefined {
  const text = toUSVString(url)
  return base === undefined ? parseUrl(text) : parseWithBase(text, toUSVString(base))
}

/** URL Standard, "API URL parser": a base that is no URL fails, even when it is not needed. */
function parseWithBase(text: string, base: string): UrlParts | undefined {
  const parts = parseUrl(base)
  return parts === undefined ? undefined : parseUrl(text, parts[part.href])
}

function parseOrThrow(url: unknown, base: unknown): UrlParts {
  const parts = parse(url, base)
  if (parts === undefined) throw new TypeError('Invalid URL')
  return parts
}
