/**
 * The head of an answer from a site's code, read as strictly as anything from a stranger: what does not fit is no answer.
 * By hand, since a schema would take longer than all the rest of a short answer.
 */

import { type HeaderList, isValidHeader } from '../core/headers.ts'
import { limits } from '../core/limits.ts'
import type { Authority } from '../core/names.ts'
import { withoutHopByHop } from './forward-headers.ts'

/** A head that can be passed on. */
export interface CodeAnswerHead {
  /** 200 to 599, or 101 for a WebSocket that was asked for. */
  readonly status: number
  /** Hop-by-hop headers and cookies for others are gone. */
  readonly headers: HeaderList
  readonly hasBody: boolean
}

/**
 * Reads the JSON of a head; a text says what is wrong with it. `authority`: whom the visitor asked, the only one whose
 * cookies the code may set. A cookie for a whole domain would reach the sites of others under it (RFC 6265 section 5.3),
 * so one that names any other domain than the authority itself is left out.
 */
export function readCodeAnswer(payload: Buffer, authority: Authority): CodeAnswerHead | string {
  if (payload.length > limits.sandboxLink.headBytes) return 'a head that is too large'
  let head: { status?: unknown; headers?: unknown; hasBody?: unknown }
  try {
    head = JSON.parse(payload.toString('utf8'))
  } catch {
    return 'a head that is no JSON'
  }
  if (typeof head !== 'object' || head === null) return 'a head that is no object'
  const { status, headers, hasBody } = head
  if (typeof status !== 'number' || !Number.isInteger(status) || !isFinal(status)) return 'a status that cannot be sent'
  if (typeof hasBody !== 'boolean' || !Array.isArray(headers)) return 'a head that is not whole'
  const fault = faultOf(headers)
  if (fault !== undefined) return fault
  return { status, headers: withoutForeignCookies(withoutHopByHop(headers), authority), hasBody }
}

function isFinal(status: number): boolean {
  return status === 101 || (status >= 200 && status <= 599)
}

function faultOf(headers: readonly unknown[]): string | undefined {
  if (headers.length % 2 !== 0 || headers.length > limits.sandboxCode.headers * 2) return 'headers that are no pairs'
  let chars = 0
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]
    const value = headers[i + 1]
    if (typeof name !== 'string' || typeof value !== 'string') return 'a header that is no text'
    if (name !== name.toLowerCase() || !isValidHeader(name, value)) return 'a header that is not allowed'
    chars += name.length + value.length
  }
  return chars > limits.sandboxCode.headerChars ? 'headers that are too large' : undefined
}

function withoutForeignCookies(headers: HeaderList, authority: Authority): HeaderList {
  if (!headers.includes('set-cookie')) return headers
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (name !== 'set-cookie' || isOwnCookie(value, authority)) kept.push(name, value)
  }
  return kept
}

/** The last Domain attribute counts (RFC 6265 section 5.2.3); an empty one means the host itself. */
function isOwnCookie(value: string, authority: Authority): boolean {
  const domains = value
    .split(';')
    .slice(1)
    .flatMap((attribute) => {
      const [name = '', ...rest] = attribute.split('=')
      return name.trim().toLowerCase() === 'domain' ? rest.join('=').trim().replace(/^\./, '').toLowerCase() : []
    })
  const domain = domains.at(-1) ?? ''
  return domain === '' || domain === authority
}
