/**
 * How often a request has passed through sites of Grove: each `fetch` of site code says one more than the request that it
 * is made for, in a header, so that sites that fetch each other in a circle come to an end.
 *
 * A visitor may say a number, too, and only lessens what sites do for that visitor. What a site sends is counted by its
 * host, never by itself.
 */

import { getHeader, type HeaderList } from './headers.ts'

/** The header that counts. */
export const hopsHeader = 'grove-hops'

/** What a count that is none stands for: too often. */
export const mostHops = 1_000

/** How often a request has passed through sites before, 0 to {@link mostHops}. What is no number counts as that. */
export function hopsOf(headers: HeaderList): number {
  const value = getHeader(headers, hopsHeader)
  if (value === undefined) return 0
  return /^\d{1,3}$/.test(value) ? Number(value) : mostHops
}
