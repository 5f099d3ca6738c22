/** Whether a request comes from a page of the site itself. */

import type { IncomingHttpHeaders } from 'node:http'
import type { Authority } from '../core/names.ts'

/**
 * Whether a request that changes something may be believed to come from a page of `authority`, over https.
 *
 * It defends signed-in visitors from pages elsewhere that post in their name, and anonymous ones from being signed in to
 * the account of somebody else. `SameSite=Lax` does not: sites of one Grove often lie under one domain, which makes them
 * "same-site", and a sign-in needs no cookie to begin with.
 *
 * `Sec-Fetch-Site` decides when it is there, because no page can set it and no referrer policy changes it; browsers since
 * 2023 send it to https origins. Older ones are judged by `Origin`, scheme and name: a page on another port of the same
 * name passes there, as it shares the site's cookies anyway (RFC 6265 section 8.5). A request with neither is refused:
 * no browser posts so, and what an absent header stands for is for nobody to guess. It cannot defend against a script in
 * a page of the site itself, nor against clients that are no browsers and forge both headers, but have no one's cookies.
 */
export function isSameOrigin(headers: IncomingHttpHeaders, authority: Authority): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site === 'same-origin'
  const { origin } = headers
  if (origin === undefined || !URL.canParse(origin)) return false
  const { protocol, hostname } = new URL(origin)
  return protocol === 'https:' && hostname === authority
}
