/**
 * URLs that site code wants to fetch, checked before anything is done for them. Pure, but for the clock of the list of
 * own addresses.
 *
 * The WHATWG parser has the one meaning of a URL: `0x7f.1`, `2130706433`, `127。0。0。1` and `127.0.0.1.` come out of it as
 * `127.0.0.1`, so that only that one spelling is ever checked, and it is the parsed form that is connected to.
 */

import { type AddressCheck, canonicalAddress } from './addresses.ts'
import { isAmong, isHostName } from './host-pattern.ts'
import type { CompiledPolicy, OwnPlace } from './policy.ts'
import { refused } from './refusal.ts'

/** Where a request goes. */
export interface Target {
  /** Without a fragment, and without a dot at the end of its host. */
  readonly url: URL
  /** Lower case, A-labels, no brackets. */
  readonly hostname: string
  readonly port: number
  /** Where a front of our own answers for the host, if it is one of ours. */
  readonly own: OwnPlace | undefined
}

/** Names that never lead to the public internet (RFC 6761, RFC 6762, RFC 7686, RFC 8375, RFC 9476, ICANN's `internal`). */
const innerDomains: ReadonlySet<string> = new Set([
  'alt',
  'home.arpa',
  'internal',
  'invalid',
  'lan',
  'local',
  'localdomain',
  'localhost',
  'onion',
])

/**
 * The target of a URL, if a site may fetch it. `base`: the URL that a redirect came from. Throws `ERR_FETCH_REFUSED`
 * with a message for the site's author.
 */
export function toTarget(text: string, policy: CompiledPolicy, check: AddressCheck, base?: URL): Target {
  const url = parseUrl(text, policy.limits.urlChars, base)
  const hostname = hostnameOf(url)
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  const place = { hostname, port }
  if (policy.patterns && !isAmong(policy.patterns, place))
    throw refused(`${url.host} is not among the hosts that the site's "allow" names`)
  const own = policy.own?.(hostname, port)
  if (own) return { url, ...place, own }
  if (!policy.allPorts.has(port)) throw refused(`port ${port} of ${hostname} is none that sites may reach`)
  if (canonicalAddress(hostname) !== undefined) {
    if (!check.isAllowed(hostname)) throw refused(`${hostname} is not a public address`)
  } else if (isInnerName(hostname)) throw refused(`${hostname} is not a name of the public internet`)
  return { url, ...place, own: undefined }
}

function parseUrl(text: string, mostChars: number, base: URL | undefined): URL {
  if (text.length > mostChars) throw refused(`URL of more than ${mostChars} characters`)
  const url = URL.parse(text, base?.href)
  if (!url) throw refused(`"${text.slice(0, 200)}" is not a URL`)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw refused(`${url.protocol} URLs cannot be fetched, only http: and https:`)
  // The Fetch Standard refuses these in a Request; here they would also reach a log.
  if (url.username !== '' || url.password !== '')
    throw refused(`the URL of ${url.hostname} has a user or a password in it: send them in a header`)
  url.hash = ''
  if (url.href.length > mostChars) throw refused(`URL of more than ${mostChars} characters`)
  return url
}

/** The host of a URL, and the URL with it. A dot at its end names the same host (RFC 1034 section 3.1) in another way. */
function hostnameOf(url: URL): string {
  const bare = url.hostname.replace(/^\[|\]$/g, '')
  if (canonicalAddress(bare) !== undefined) return bare
  const name = bare.replace(/\.$/, '')
  if (!isHostName(name)) throw refused(`"${url.hostname.slice(0, 253)}" is not a name of a host`)
  url.hostname = name
  return name
}

/** Names of one label mean something in one network only; so do those below special domains. */
function isInnerName(name: string): boolean {
  const labels = name.split('.')
  return labels.length < 2 || innerDomains.has(labels.at(-1) ?? '') || innerDomains.has(labels.slice(-2).join('.'))
}
