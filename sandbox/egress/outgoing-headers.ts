/** Headers of requests that site code makes, and of the answers that it gets. Pure. */

import { getHeader, type HeaderList, hopByHopHeaders, isValidHeader, joinHeader } from '../../core/headers.ts'
import { hopsHeader } from '../../core/hops.ts'
import { limits } from '../../core/limits.ts'
import type { SiteName } from '../../core/names.ts'
import { refused } from './refusal.ts'

/** The header that names the site on whose behalf a request is made. */
export const siteHeader = 'grove-site'

/** About one connection, or about framing, which is ours to say. */
const dropped: ReadonlySet<string> = new Set([
  ...hopByHopHeaders,
  'accept-encoding',
  'content-length',
  'expect',
  'host',
  'proxy', // HTTPoxy
  'via',
])

/** What is said of a body, and goes with it (Fetch Standard, "request-body-header name"). */
const bodyHeaders: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-language',
  'content-location',
  'content-type',
])

/** Meant for one origin and no other. */
const credentialHeaders: ReadonlySet<string> = new Set(['authorization', 'cookie', 'cookie2'])

/** What is said beside the site's own headers. */
export interface OutgoingFacts {
  readonly site: SiteName
  /** How often the visitor's request has passed through sites of Grove, this one not counted. */
  readonly hops: number
  /** Whether it goes to a front of our own. */
  readonly isOwn: boolean
}

/** What a front believes of a proxy that it trusts; and it may trust this machine. */
const ofProxies = /^(?:forwarded$|x-forwarded-|x-real-ip$|client-cert)/

/** Headers as they go out. Throws `ERR_FETCH_REFUSED` for too many, too long, or one that is not allowed. */
export function toOutgoingHeaders(given: HeaderList, { site, hops, isOwn }: OutgoingFacts): string[] {
  const { headers: mostHeaders, headerBytes } = limits.egress
  const lowered = given.map((text, index) => (index % 2 === 0 ? text.toLowerCase() : text))
  const connection = namedInConnection(lowered)
  const kept: string[] = []
  let bytes = 0
  for (let i = 0; i < lowered.length; i += 2) {
    const name = lowered[i] as string
    const value = lowered[i + 1] as string
    if (!isValidHeader(name, value)) throw refused(`the header "${name.slice(0, 100)}" cannot be sent`)
    if (dropped.has(name) || name.startsWith('grove-') || connection.has(name)) continue
    if (isOwn && ofProxies.test(name)) continue
    bytes += name.length + value.length
    kept.push(name, value)
  }
  if (kept.length > mostHeaders * 2) throw refused(`more than ${mostHeaders} headers`)
  if (bytes > headerBytes) throw refused(`headers of more than ${headerBytes} bytes`)
  const setIfNone = (name: string, value: string) => {
    if (getHeader(kept, name) === undefined) kept.push(name, value)
  }
  setIfNone('accept', '*/*')
  setIfNone('user-agent', 'Grove')
  // A range of a coded body could not be decoded (Fetch Standard, HTTP-network-or-cache fetch). gzip alone, because the
  // others can ask for windows of many megabytes each.
  kept.push('accept-encoding', getHeader(kept, 'range') === undefined ? 'gzip' : 'identity')
  kept.push(siteHeader, site, hopsHeader, String(hops + 1))
  return kept
}

/** What a redirect takes from a request's headers: `body` when the body is dropped, `origin` when the origin changes. */
export function afterRedirect(
  headers: HeaderList,
  loses: { readonly body: boolean; readonly origin: boolean },
): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    if (loses.body && bodyHeaders.has(name)) continue
    if (loses.origin && credentialHeaders.has(name)) continue
    kept.push(headers[i] as string, headers[i + 1] as string)
  }
  return kept
}

/** An answer's headers for the site: hop-by-hop ones gone. Answers undefined when they are not fit to be passed on. */
export function toIncomingHeaders(raw: HeaderList): string[] | undefined {
  if (raw.length > limits.egress.answerHeaders * 2) return undefined
  const connection = namedInConnection(raw)
  const kept: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    if (!isValidHeader(name, value)) return undefined
    if (!hopByHopHeaders.has(name) && !connection.has(name)) kept.push(name, value)
  }
  return kept
}

/** Names of headers that are about one connection because Connection says so (RFC 9110 section 7.6.1). */
function namedInConnection(headers: HeaderList): Set<string> {
  return new Set((joinHeader(headers, 'connection') ?? '').toLowerCase().split(/\s*,\s*/))
}
