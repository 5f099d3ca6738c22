/**
 * The origin at which a visitor is: scheme, authority and port, as the address bar shows them.
 */

import type { Exchange } from '../core/exchange.ts'
import { getHeader } from '../core/headers.ts'
import type { Authority } from '../core/names.ts'

/** The origin at which a visitor is. */
export interface VisitedOrigin {
  readonly scheme: 'https' | 'http'
  readonly authority: Authority
  readonly port: number
  /** The authority, with the port unless it is the scheme's own: what a Host header says. */
  readonly hostport: string
  /** `https://blog.localhost:8443`. */
  readonly text: string
}

const ownPort = { https: 443, http: 80 } as const

/**
 * The origin of an exchange. The port is what the visitor's Host names, since a port may be mapped on the way to Grove;
 * where there is no Host (HTTP/2), it is `publicPort` for https. It says where the visitor claims to be, no more: the
 * authority has been matched with a site, the port with nothing.
 */
export function visitedOrigin(
  exchange: Pick<Exchange, 'scheme' | 'authority' | 'headers'>,
  publicPort: number,
): VisitedOrigin {
  const { scheme, authority } = exchange
  const port = portOf(getHeader(exchange.headers, 'host'), scheme, publicPort)
  const hostport = port === ownPort[scheme] ? authority : `${authority}:${port}`
  return { scheme, authority, port, hostport, text: `${scheme}://${hostport}` }
}

function portOf(host: string | undefined, scheme: 'https' | 'http', publicPort: number): number {
  if (host === undefined) return scheme === 'https' ? publicPort : ownPort.http
  const digits = /:([0-9]{1,5})$/.exec(host)?.[1]
  const port = Number(digits)
  return digits !== undefined && port > 0 && port <= 65_535 ? port : ownPort[scheme]
}

/**
 * Whether a request was made by a page of another origin and may change something, or opens a WebSocket. Browsers send
 * a `SameSite=Lax` cookie with such a request when both sites lie under one domain, as the sites of one Grove do; so
 * the request must not count as the visitor's own. Clients that are no browsers send neither header and pass.
 */
export function isForeignRequest(
  exchange: Pick<Exchange, 'method' | 'authority' | 'headers'>,
  isUpgrade: boolean,
): boolean {
  // RFC 9110 section 9.2.1: safe methods change nothing; a link from elsewhere to a personal page has to work.
  if (!isUpgrade && safeMethods.has(exchange.method)) return false
  // Fetch Metadata cannot be set by a page and survives every Referrer-Policy; Origin may become "null" under one.
  const site = getHeader(exchange.headers, 'sec-fetch-site')
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  const origin = getHeader(exchange.headers, 'origin')
  if (origin === undefined) return false
  return !URL.canParse(origin) || new URL(origin).hostname !== exchange.authority
}

const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
