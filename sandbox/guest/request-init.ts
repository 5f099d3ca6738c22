/** What site code gives to `new Request` and `fetch`, converted in the order of Web IDL and checked (Fetch Standard, section 5.4). */

import { type AbortSignal, requireSignal } from './abort.ts'
import { toByteString, toDictionary, toDOMString, toEnum, toUSVString } from './convert.ts'
import { tokenCase } from './header-list.ts'
import { arrays, strings } from './primordials.ts'
import { parseUrl, part } from './url-parts.ts'

/** What happens at a redirect. */
export type RedirectMode = 'follow' | 'error' | 'manual'

/** Members that have no meaning on a server; they are kept as they were given. Keyed by name. */
export interface BrowserOptions {
  readonly cache: string
  readonly credentials: string
  readonly integrity: string
  readonly keepalive: boolean
  readonly mode: string
  readonly referrer: string
  readonly referrerPolicy: string
}

/** Members of an init; undefined where nothing was said. */
export interface RequestInit {
  readonly body: unknown
  readonly headers: unknown
  readonly method: string | undefined
  readonly redirect: RedirectMode | undefined
  /** null: no signal is followed. */
  readonly signal: AbortSignal | null | undefined
  readonly options: Partial<BrowserOptions>
}

/** The URL of a request, absolute and normalised. Throws a TypeError for what is none, or has a user's name in it. */
export function toRequestUrl(input: unknown): string {
  const text = toUSVString(input)
  const parts = parseUrl(text)
  if (parts === undefined) throw new TypeError('the URL of a request is not an absolute URL')
  if (parts[part.username] !== '' || parts[part.password] !== '')
    throw new TypeError('the URL of a request has a user name or a password in it')
  return parts[part.href] ?? ''
}

const redirectModes = ['follow', 'error', 'manual'] as const
const cacheModes = ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached'] as const
const credentialModes = ['omit', 'same-origin', 'include'] as const
const requestModes = ['navigate', 'same-origin', 'no-cors', 'cors'] as const

/** Reads an init. Throws a TypeError for members that are not allowed, and what getters of the site throw. */
export function readInit(init: unknown): RequestInit {
  const given = toDictionary(init, 'the init of a request')
  const { body, cache, credentials, duplex, headers, integrity, keepalive, method, mode } = given
  if (duplex !== undefined) toEnum(duplex, ['half'], 'duplex')
  const { redirect, referrer, referrerPolicy, signal, window } = given
  if (window !== undefined && window !== null) throw new TypeError('the window of a request can only be null')
  return {
    body,
    headers,
    method: method === undefined ? undefined : normalizeMethod(toByteString(method)),
    redirect: redirect === undefined ? undefined : toEnum(redirect, redirectModes, 'redirect'),
    signal: signal === undefined ? undefined : signal === null ? null : requireSignal(signal),
    options: {
      ...(cache !== undefined && { cache: toEnum(cache, cacheModes, 'cache') }),
      ...(credentials !== undefined && { credentials: toEnum(credentials, credentialModes, 'credentials') }),
      ...(integrity !== undefined && { integrity: toDOMString(integrity) }),
      ...(keepalive !== undefined && { keepalive: !!keepalive }),
      ...(mode !== undefined && { mode: toMode(mode) }),
      ...(referrer !== undefined && { referrer: toUSVString(referrer) }),
      ...(referrerPolicy !== undefined && { referrerPolicy: toDOMString(referrerPolicy) }),
    },
  }
}

function toMode(value: unknown): string {
  const mode = toEnum(value, requestModes, 'mode')
  if (mode === 'navigate') throw new TypeError('the mode of a request cannot be navigate')
  return mode
}

const upperCased = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'] as const
const forbidden = ['CONNECT', 'TRACE', 'TRACK'] as const

/** A method as it is sent: those that everybody knows in upper case. Throws a TypeError for what is none or is forbidden. */
function normalizeMethod(method: string): string {
  if (tokenCase(method) === undefined) throw new TypeError('the method of a request is not a token')
  const upper = strings.toUpperCase(method)
  if (arrays.includes(forbidden, upper as 'TRACE')) throw new TypeError(`a request cannot have the method ${upper}`)
  return arrays.includes(upperCased, upper as 'GET') ? upper : method
}
