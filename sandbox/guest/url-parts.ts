/**
 * Parsing of URLs. The host has a complete parser (URL Standard, section 4); most URLs that a site meets are plain and already
 * in their final form, and these are told by one look, without a call.
 */

import { bridgeLimits, ops } from '../bridge.ts'
import { call } from './host.ts'
import { regexps, strings } from './primordials.ts'

/** The parts of a URL in the order in which the host gives them. */
export const part = {
  href: 0,
  origin: 1,
  protocol: 2,
  username: 3,
  password: 4,
  host: 5,
  hostname: 6,
  port: 7,
  pathname: 8,
  search: 9,
  hash: 10,
} as const

/** Eleven strings, see {@link part}. */
export type UrlParts = readonly string[]

/**
 * A URL that the parser would give back as it is: no character that is escaped or dropped, and a last label that begins with
 * a letter, which is no part of an IPv4 address.
 */
const plainUrl =
  /^(https?:)\/\/((?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*)(?::([1-9][0-9]{0,4}))?(\/[\w\-.~!$&'()*+,;=:@%/]*)(\?[\w\-.~!$&()*+,;=:@%/?]*)?(#[\w\-.~!$&'()*+,;=:@%/?]*)?$/

/** A dot segment of a path, also one that is written with escapes. */
const dotSegment = /\/(?:\.|%2e)/i

/** Parses a URL; undefined if it is none, or longer than the bridge takes. */
export function parseUrl(input: string, base?: string): UrlParts | undefined {
  const plain = parsePlain(input)
  if (plain !== undefined) return plain
  if (input.length > bridgeLimits.urlChars) return undefined
  return splitParts(call(ops.parseUrl, input, base))
}

/** A URL with one part set by the host; the same when the setter changes nothing. */
export function setPart(parts: UrlParts, name: number, value: string): UrlParts {
  const href = parts[part.href] ?? ''
  if (href.length + value.length > bridgeLimits.urlChars) return parts
  return splitParts(call(ops.setUrl, href, name, value)) ?? parts
}

function splitParts(answer: unknown): UrlParts | undefined {
  return typeof answer === 'string' ? strings.split(answer, '\n') : undefined
}

function parsePlain(input: string): UrlParts | undefined {
  const match = regexps.exec(plainUrl, input)
  if (match === null) return undefined
  const { 1: protocol = '', 2: hostname = '', 3: port = '', 4: pathname = '', 5: search = '', 6: hash = '' } = match
  if (strings.includes(hostname, 'xn--') || regexps.exec(dotSegment, pathname) !== null) return undefined
  if (port !== '' && (+port > 65_535 || port === (protocol === 'https:' ? '443' : '80'))) return undefined
  const host = port === '' ? hostname : `${hostname}:${port}`
  const origin = `${protocol}//${host}`
  // An empty query or fragment keeps its mark in the href, but is empty.
  const query = search === '?' ? '' : search
  const fragment = hash === '#' ? '' : hash
  return [input, origin, protocol, '', '', host, hostname, port, pathname, query, fragment]
}
