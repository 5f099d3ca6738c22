/** Redirects, followed by hand so that every hop is checked as the first one is (Fetch Standard, HTTP-redirect fetch). */

import { getHeader, type HeaderList } from '../../core/headers.ts'

/** What the next request is like. */
export interface Redirect {
  /** As the server wrote it; relative to the URL that answered. */
  readonly location: string
  readonly method: string
  readonly keepsBody: boolean
}

const statuses: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** Where an answer leads, or undefined if it is none that leads somewhere. */
export function redirectOf(status: number, headers: HeaderList, method: string): Redirect | undefined {
  if (!statuses.has(status)) return undefined
  const location = getHeader(headers, 'location')
  if (location === undefined) return undefined
  const becomesGet =
    ((status === 301 || status === 302) && method === 'POST') ||
    (status === 303 && method !== 'GET' && method !== 'HEAD')
  return {
    // Servers send UTF-8 there, and it was read byte by byte.
    location: Buffer.from(location, 'latin1').toString('utf8'),
    method: becomesGet ? 'GET' : method,
    keepsBody: !becomesGet,
  }
}
