/**
 * The strict checks that every request passes before it becomes an exchange, the same for every version of HTTP. Pure.
 *
 * They defend against requests that two servers read in two ways: smuggling by framing (RFC 9112 section 11.2), a
 * second Host, paths that change their meaning when they are decoded or normalised, header names that only look
 * different. What is not clearly one thing is refused. Syntax below this (characters of names and values, chunks, line
 * ends) is the parsers' part: llhttp in its strict mode, nghttp2; test/proxy/hostile-http1.test.ts and
 * hostile-http2.test.ts hold them to it.
 */

import { isAuthority } from '../core/names.ts'
import type { Refusal } from './refusal.ts'

/** A request's head as the parser gives it. */
export interface RequestHead {
  readonly method: string
  /** The request target, or `:path`. */
  readonly target: string
  /** `1.1`, or whatever the request line says. */
  readonly httpVersion: string
  /** Whether the connection is TLS: then the request may not say `http`. */
  readonly secure: boolean
  /** `:scheme`, in HTTP/2. */
  readonly scheme?: string | undefined
  /** `:authority`, in HTTP/2. */
  readonly authority?: string | undefined
  /** `[name, value, ...]` without pseudo-headers; names in any case. */
  readonly rawHeaders: readonly string[]
}

/** The bounds of a request's head. */
export interface HeadLimits {
  readonly headerBytes: number
  readonly headerCount: number
  readonly methodBytes: number
  readonly targetBytes: number
}

/** A request's head that is one thing only. */
export interface CheckedHead {
  readonly method: string
  readonly httpVersion: '1.0' | '1.1' | '2.0'
  /** Lower case, no port, no trailing dot. */
  readonly authority: string
  /** Origin-form. */
  readonly target: string
  readonly path: string
  readonly query: string
  /** Lower-case names, aliases of guarded names gone, cookies in one. */
  readonly headers: string[]
}

const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const targetPattern = /^[\x21\x22\x24-\x7e]+$/ // Visible ASCII but `#`: a fragment is never sent (RFC 9112 section 3.2).
const absolutePattern = /^(https?):\/\/([^/?]*)([/?].*)?$/i
const dotSegmentPattern = /\/\.{1,2}(?:\/|$)/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is refused
const controlPattern = /[\x00-\x1f\x7f-\x9f]/

/** Names that decide about framing, routing or identity: no other spelling of them gets in. */
const guardedPattern =
  /^(?:grove-.*|x-forwarded.*|forwarded|x-real-ip|host|content-length|content-type|transfer-encoding|connection|upgrade|expect|cookie|authorization|proxy|proxy-.*|via|x-http-method-override)$/

/** The checked head, or why it is refused. */
export function checkHead(head: RequestHead, limits: HeadLimits): CheckedHead | Refusal {
  const version = checkVersion(head.httpVersion, head.authority !== undefined || head.scheme !== undefined)
  if (typeof version !== 'string') return version
  const early = checkMethod(head.method, limits) ?? checkSize(head, limits)
  if (early) return early
  const fields = checkFields(head.rawHeaders, version)
  if ('status' in fields) return fields
  const form = checkTarget(head, fields.host, version)
  if ('status' in form) return form
  const mark = form.target.indexOf('?')
  const rawPath = mark === -1 ? form.target : form.target.slice(0, mark)
  const path = decodePath(rawPath)
  if (path === undefined) return refuse(400, 'path is ambiguous or not valid')
  return {
    method: head.method,
    httpVersion: version,
    authority: form.authority,
    target: form.target,
    path,
    query: mark === -1 ? '' : form.target.slice(mark),
    headers: withHost(fields, head.authority),
  }
}

/** The fields with Host as `:authority` says it, port and all, so that both versions tell where the visitor is alike. */
function withHost({ headers, host }: Fields, authority: string | undefined): string[] {
  return host !== undefined || authority === undefined ? headers : [...headers, 'host', authority]
}

/**
 * A path decoded once and in Unicode form NFC, or undefined when it has an encoded or plain `\`, an encoded `/`, a `.`
 * or `..` segment, a control character, or is not UTF-8. Clients resolve dot segments before they send (RFC 3986
 * section 6.2.2.3); one that did not wants to see who resolves them differently.
 */
export function decodePath(raw: string): string | undefined {
  if (!raw.startsWith('/') || raw.includes('\\')) return undefined
  let path = raw
  if (raw.includes('%')) {
    if (/%(?:2f|5c)/i.test(raw)) return undefined
    try {
      path = decodeURIComponent(raw).normalize('NFC')
    } catch {
      return undefined // A `%` without two hex digits, or bytes that are not UTF-8.
    }
    if (controlPattern.test(path)) return undefined
  }
  return dotSegmentPattern.test(path) ? undefined : path
}

/** The authority of `name`, `name:port` or `[v6]:port`, or undefined when it is none. User information is none. */
export function parseAuthority(text: string): string | undefined {
  const colon = text.startsWith('[') ? text.indexOf(':', text.indexOf(']')) : text.indexOf(':')
  if (colon !== -1 && !isPort(text.slice(colon + 1))) return undefined
  let name = (colon === -1 ? text : text.slice(0, colon)).toLowerCase()
  // The root's dot is part of a name's absolute form and changes nothing about who is meant.
  if (name.endsWith('.')) name = name.slice(0, -1)
  return isAuthority(name) ? name : undefined
}

function isPort(text: string): boolean {
  return /^\d{0,5}$/.test(text) && Number(text) <= 65_535
}

function refuse(status: number, reason: string): Refusal {
  return { status, reason }
}

function checkVersion(version: string, pseudoHeaders: boolean): '1.0' | '1.1' | '2.0' | Refusal {
  if (pseudoHeaders && version === '2.0') return '2.0'
  if (version === '1.1' || version === '1.0') return version
  if (version.startsWith('0')) return refuse(400, 'HTTP/0.9')
  return refuse(505, 'HTTP version of the request line is not that of the connection')
}

function checkMethod(method: string, limits: HeadLimits): Refusal | undefined {
  if (method.length > limits.methodBytes) return refuse(405, `method longer than ${limits.methodBytes} bytes`)
  if (!tokenPattern.test(method)) return refuse(400, 'method is not a token')
  if (method === 'TRACE' || method === 'TRACK' || method === 'CONNECT') return refuse(405, `method ${method}`)
  return undefined
}

function checkSize(head: RequestHead, limits: HeadLimits): Refusal | undefined {
  const { rawHeaders, target } = head
  if (rawHeaders.length > limits.headerCount * 2) return refuse(431, `more than ${limits.headerCount} headers`)
  let bytes = 0
  for (const text of rawHeaders) bytes += text.length + 2
  if (bytes > limits.headerBytes) return refuse(431, `headers of more than ${limits.headerBytes} bytes`)
  if (target.length > limits.targetBytes) return refuse(414, `target longer than ${limits.targetBytes} bytes`)
  return undefined
}

interface Fields {
  readonly headers: string[]
  /** The value of Host, or undefined when there is none. */
  readonly host: string | undefined
}

function checkFields(raw: readonly string[], version: string): Fields | Refusal {
  const headers: string[] = []
  let host: string | undefined
  let length: string | undefined
  let coding: string | undefined
  let cookieAt = -1
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    const value = raw[i + 1] as string
    if (name === 'host') {
      if (host !== undefined) return refuse(400, 'two Host headers')
      host = value
    } else if (name === 'content-length') {
      if (length !== undefined) return refuse(400, 'two Content-Length headers')
      length = value
    } else if (name === 'transfer-encoding') {
      if (coding !== undefined) return refuse(400, 'two Transfer-Encoding headers')
      coding = value
    } else if (name === 'cookie') {
      // HTTP/2 clients may send crumbs (RFC 9113 section 8.2.3); whoever reads cookies wants one header.
      if (cookieAt !== -1) {
        headers[cookieAt] += `; ${value}`
        continue
      }
      cookieAt = headers.length + 1
    } else if (isAlias(name)) continue
    headers.push(name, value)
  }
  return checkFraming(length, coding, version) ?? { headers, host }
}

/** Whether a name is another spelling, with `_` or `.`, of one that decides something; or HTTPoxy's `Proxy`. */
function isAlias(name: string): boolean {
  if (name === 'proxy') return true
  if (!name.includes('_') && !name.includes('.')) return false
  return guardedPattern.test(name.replaceAll(/[_.]/g, '-'))
}

function checkFraming(length: string | undefined, coding: string | undefined, version: string): Refusal | undefined {
  if (length !== undefined && !/^\d{1,15}$/.test(length)) return refuse(400, 'Content-Length is not a number')
  if (coding === undefined) return undefined
  if (length !== undefined) return refuse(400, 'Content-Length and Transfer-Encoding')
  // RFC 9112 section 6.1: a 1.0 client's Transfer-Encoding is faulty framing; RFC 9113 section 8.2.2 has none at all.
  if (version !== '1.1') return refuse(400, `Transfer-Encoding in HTTP/${version}`)
  if (coding.toLowerCase() === 'chunked') return undefined
  return refuse(/(?:^|[,\s])chunked$/i.test(coding) ? 501 : 400, 'Transfer-Encoding other than chunked')
}

interface TargetForm {
  readonly authority: string
  readonly target: string
}

/** Origin-form and authority of a target in any form (RFC 9112 section 3.2; RFC 9113 section 8.3.1). */
function checkTarget(head: RequestHead, host: string | undefined, version: string): TargetForm | Refusal {
  const { target } = head
  if (version === '2.0' && head.scheme !== 'https' && (head.secure || head.scheme !== 'http'))
    return refuse(400, 'scheme is not that of the connection')
  if (target === '*') return refuse(head.method === 'OPTIONS' ? 405 : 400, 'asterisk-form')
  if (!targetPattern.test(target)) return refuse(400, 'target has a character that no URL has')
  if (version === '1.1' && host === undefined) return refuse(400, 'no Host header')
  const named = host === undefined ? undefined : parseAuthority(host)
  if (host !== undefined && named === undefined) return refuse(400, 'Host is not valid')
  if (target.startsWith('/')) return withAuthority(head.authority, named, target)
  const absolute = version === '2.0' ? null : absolutePattern.exec(target)
  if (!absolute) return refuse(400, 'target is in no known form')
  if (head.secure && (absolute[1] as string).toLowerCase() !== 'https')
    return refuse(400, 'scheme is not that of the connection')
  const rest = absolute[3] ?? '/'
  return withAuthority(absolute[2], named, rest.startsWith('/') ? rest : `/${rest}`)
}

/** `said` (of an absolute target or `:authority`) and Host have to agree: RFC 9112 section 3.2, RFC 9113 section 8.3.1. */
function withAuthority(said: string | undefined, named: string | undefined, target: string): TargetForm | Refusal {
  if (said === undefined) return named === undefined ? refuse(400, 'no authority') : { authority: named, target }
  const authority = parseAuthority(said)
  if (authority === undefined) return refuse(400, 'authority is not valid')
  if (named !== undefined && named !== authority) return refuse(400, 'Host differs from the authority of the target')
  return { authority, target }
}
