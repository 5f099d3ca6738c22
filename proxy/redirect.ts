/** The answer of the plain port: the same resource over https. */

import type { Exchange } from '../core/exchange.ts'

/**
 * Redirects to https with 308, which keeps method and body (RFC 9110 section 15.4.9). `exchange.authority` has been
 * checked against the sites by then, so this never leads to a name that is not ours.
 */
export function redirectToHttps(exchange: Exchange, httpsPort: number): void {
  const port = httpsPort === 443 ? '' : `:${httpsPort}`
  if (exchange.note) exchange.note.how = 'static'
  const location = `https://${exchange.authority}${port}${exchange.target}`
  exchange.respond(308, ['location', location, 'cache-control', 'no-store'])
}
