/**
 * Which headers pass between a visitor and an upstream, in both directions. Pure.
 *
 * What Grove says about a request (who is signed in, where it came from) is said in headers, so no visitor may say it:
 * every header of that kind that comes in is dropped first, under every spelling that servers behind CGI-like
 * interfaces read as the same name (`Grove_User`, `grove.user`: Caddy's GHSA-f59h-q822-g45g and GHSA-49wc-4hcv-v58q).
 * Then ours are set. The one exception is the count of hops (core/hops.ts), which a visitor gains nothing by. The session
 * cookie never leaves Grove: an upstream that had it could be the visitor.
 */

import type { ClientIdentity } from '../core/exchange.ts'
import { getHeader, type HeaderList, hopByHopHeaders, joinHeader } from '../core/headers.ts'
import { hopsHeader } from '../core/hops.ts'
import type { SiteName } from '../core/names.ts'
import { sessionCookieName } from '../core/session.ts'
import type { VisitedOrigin } from './visited-origin.ts'

/** What Grove says to an upstream about a request. */
export interface Forwarding {
  readonly requestId: string
  readonly site: SiteName
  readonly origin: VisitedOrigin
  readonly clientAddress: string
  /** Of the request as it came in: `1.1`. */
  readonly httpVersion: string
  /** Set when the visitor has shown a certificate that the site takes. */
  readonly client?: ClientIdentity | undefined
  /** Set when the visitor is signed in: the user's id, and the signed form of it. */
  readonly identity?: { readonly userId: string; readonly token: string } | undefined
}

/** What only Grove may say, or has answered itself (Expect), or that some server takes for a setting (Proxy: HTTPoxy). */
const ours: ReadonlySet<string> = new Set([
  'cf-connecting-ip',
  'client-cert',
  'client-cert-chain',
  'client-ip',
  'expect',
  'fastly-client-ip',
  'forwarded',
  'forwarded-for',
  'front-end-https',
  'host',
  'proxy',
  'remote-addr',
  'remote-user',
  'true-client-ip',
  'via',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-forwarded',
  'x-original-forwarded-for',
  'x-original-host',
  'x-original-url',
  'x-real-ip',
  'x-remote-user',
  'x-rewrite-url',
])

const ourPrefixes: readonly string[] = ['grove-', 'x-forwarded-']

/** May come once only in an answer. Of those that do not, recipients take different ones, and HTTP/2 cannot send them. */
const single: ReadonlySet<string> = new Set([
  'access-control-allow-credentials',
  'access-control-max-age',
  'access-control-request-method',
  'age',
  'authorization',
  'content-encoding',
  'content-language',
  'content-location',
  'content-md5',
  'content-range',
  'content-type',
  'date',
  'dnt',
  'etag',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'location',
  'max-forwards',
  'range',
  'referer',
  'retry-after',
  'tk',
  'upgrade-insecure-requests',
  'user-agent',
  'x-content-type-options',
])

/** Dropped only when spelled otherwise: as themselves they are what the transport has checked. */
const framing: ReadonlySet<string> = new Set(['content-encoding', 'content-length', 'content-type'])

/** The headers of a request as an upstream gets them: the visitor's, cleaned, then Host, then Grove's own. */
export function forwardRequestHeaders(headers: HeaderList, forwarding: Forwarding): string[] {
  const named = namedByConnection(headers)
  const kept: string[] = ['host', forwarding.origin.hostport]
  const cookies: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (named?.has(name) || (name !== hopsHeader && isDroppedFromRequest(name))) continue
    if (name === 'cookie') cookies.push(...foreignCookies(value))
    else kept.push(name, value)
  }
  // RFC 9113 section 8.2.3: several fields become one, joined with "; ".
  if (cookies.length > 0) kept.push('cookie', cookies.join('; '))
  kept.push(...groveHeaders(forwarding))
  return kept
}

/**
 * The headers of an upstream's answer as the visitor gets them. An upstream can set neither the session cookie nor
 * `Grove-*` headers. Every answer varies by Cookie, since who is signed in may have changed it; that of a signed-in
 * visitor is `private, no-cache` unless the upstream decided otherwise, so that no shared cache hands it to another.
 */
export function forwardAnswerHeaders(headers: HeaderList, signedIn: boolean): string[] {
  const kept = cleanAnswerHeaders(headers)
  if (signedIn && getHeader(kept, 'cache-control') === undefined) kept.push('cache-control', 'private, no-cache')
  const vary = joinHeader(kept, 'vary') ?? ''
  if (!/(?:^|,)[ \t]*(?:\*|cookie)[ \t]*(?:,|$)/i.test(vary)) kept.push('vary', 'Cookie')
  return kept
}

/**
 * What an upstream may say to a visitor: no hop-by-hop headers, no session cookie, nothing of Grove's own, and the first
 * only of what may come once (RFC 9110 section 5.3).
 */
export function cleanAnswerHeaders(headers: HeaderList): string[] {
  const named = namedByConnection(headers)
  const kept: string[] = []
  const seen = new Set<string>()
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (named?.has(name) || hopByHopHeaders.has(name) || normalize(name).startsWith('grove-')) continue
    if (name === 'set-cookie' && isSessionCookie(value)) continue
    if (single.has(name)) {
      if (seen.has(name)) continue
      seen.add(name)
    }
    kept.push(name, value)
  }
  return kept
}

/** A list without hop-by-hop headers and without what Connection names (RFC 9110 section 7.6.1). */
export function withoutHopByHop(headers: HeaderList): string[] {
  const named = namedByConnection(headers)
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (!hopByHopHeaders.has(name) && !named?.has(name)) kept.push(name, headers[i + 1] as string)
  }
  return kept
}

/** A user id as a header's value: as it is, but for what is not visible ASCII, and `%`, which are percent-encoded UTF-8. */
export function encodeUserId(userId: string): string {
  return userId.toWellFormed().replace(/[^\x21-\x24\x26-\x7e]+/g, encodeURIComponent)
}

function isDroppedFromRequest(name: string): boolean {
  if (hopByHopHeaders.has(name) || ours.has(name) || ourPrefixes.some((prefix) => name.startsWith(prefix))) return true
  const normal = normalize(name)
  if (normal === name) return false
  return (
    hopByHopHeaders.has(normal) ||
    ours.has(normal) ||
    framing.has(normal) ||
    ourPrefixes.some((prefix) => normal.startsWith(prefix))
  )
}

/** The name as the least careful server reads it: everything that is no letter or digit is one and the same. */
function normalize(name: string): string {
  return name.replace(/[^a-z0-9-]/g, '-')
}

/** Names that Connection lists (RFC 9110 section 7.6.1), or undefined for none. */
function namedByConnection(headers: HeaderList): ReadonlySet<string> | undefined {
  let named: Set<string> | undefined
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== 'connection') continue
    named ??= new Set()
    for (const option of (headers[i + 1] as string).split(',')) named.add(option.trim().toLowerCase())
  }
  return named
}

/** The pairs of a Cookie field but for Grove's own, whatever case or spaces they are written with. */
function foreignCookies(line: string): string[] {
  return line
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && !isSessionCookie(pair))
}

function isSessionCookie(pair: string): boolean {
  // A cookie without a name comes back as its bare value, so `=__Host-grove=x` would come back as ours.
  const name = pair.replace(/^[=\s]+/, '').split(/[=;]/, 1)[0] as string
  return name.trim().toLowerCase() === sessionCookieName.toLowerCase()
}

function groveHeaders({ requestId, site, origin, clientAddress, httpVersion, identity, client }: Forwarding): string[] {
  // RFC 7239 section 6: an IPv6 address stands in brackets and quotes; a colon needs quotes.
  const isV6 = clientAddress.includes(':')
  const from = isV6 ? `"[${clientAddress}]"` : clientAddress
  const headers = [
    'via', // RFC 9110 section 7.6.3: a gateway must say that it is there.
    `${httpVersion} grove`,
    'forwarded',
    `for=${from};host="${origin.hostport}";proto=${origin.scheme}`,
    'x-forwarded-for',
    clientAddress,
    'x-forwarded-proto',
    origin.scheme,
    'x-forwarded-host',
    origin.hostport,
    'x-forwarded-port',
    String(origin.port),
    'grove-request-id',
    requestId,
    'grove-site',
    site,
  ]
  // RFC 9440 section 2.2: DER as a byte sequence of a structured field.
  if (client) headers.push('grove-client-subject', client.subject, 'client-cert', `:${client.certificate}:`)
  if (identity) headers.push('grove-user', encodeUserId(identity.userId), 'grove-identity', identity.token)
  return headers
}
