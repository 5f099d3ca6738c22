/**
 * A request for a plugin's route as a front hands it over: which site, plugin and path, whose visit, and the web
 * `Request` that the handler gets.
 *
 * Headers that begin with `grove-internal-` are the front's word. They are believed because only Grove's own account
 * reaches the socket, and because fronts strip what a visitor sends under these names; a handler never sees them.
 */

import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { type HeaderList, hopByHopHeaders, toHeaders, withoutHeaders } from '../core/headers.ts'
import { type Authority, isAuthority, type SiteName } from '../core/names.ts'
import type { Session } from '../core/session.ts'

/** What the front says of a request. */
export interface Visit {
  readonly authority: Authority
  /** The authority with the visitor's port, where the front told it. */
  readonly hostport: string
  readonly site: SiteName
  readonly requestId: string
  readonly clientAddress: string
  readonly session: Session | undefined
  /** From `/.grove/<plugin>`. */
  readonly plugin: string
  /** What follows the plugin's name, as sent: empty or with a leading `/`, without the query. */
  readonly path: string
}

const sessionSchema = z.strictObject({
  id: z.string(),
  userId: z.string(),
  site: z.string(),
  issuedAtMs: z.number(),
  expiresAtMs: z.number(),
})

const targetPattern = /^\/\.grove\/([a-z0-9-]{1,63})((?:\/[^?#]*)?)(?:\?.*)?$/s
const hostPattern = /^(.+?)(?::[0-9]{1,5})?$/

/** What the front says of a request, or undefined when it is not what a front sends. */
export function readVisit(incoming: IncomingMessage): Visit | undefined {
  const { headers, url } = incoming
  const hostport = headers.host ?? ''
  const authority = hostPattern.exec(hostport)?.[1] ?? ''
  const site = single(headers['grove-internal-site'])
  const requestId = single(headers['grove-internal-request-id'])
  const clientAddress = single(headers['grove-internal-client-address'])
  const target = targetPattern.exec(url ?? '')
  if (!isAuthority(authority) || !site || !requestId || !clientAddress || !target) return undefined
  const session = readSession(single(headers['grove-internal-session']))
  if (session === false || (session && session.site !== site)) return undefined
  const [, plugin = '', path = ''] = target
  return { authority, hostport, site, requestId, clientAddress, session, plugin, path }
}

/** The session, undefined when nobody is signed in, false when it cannot be read: half a session is not anonymous. */
function readSession(text: string | undefined): Session | undefined | false {
  if (text === undefined) return undefined
  try {
    return sessionSchema.parse(JSON.parse(text))
  } catch {
    return false
  }
}

function single(value: string | string[] | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** What describes this hop's message, and nothing of the next one's. */
const ofThisHop: ReadonlySet<string> = new Set([...hopByHopHeaders, 'content-length', 'expect'])

/** A list without the headers of this hop. Names are in lower case. */
export function withoutHop(headers: HeaderList): string[] {
  return withoutHeaders(headers, ofThisHop)
}

/** The request as a handler gets it, with the visitor's URL. Throws `TypeError` for headers that the web does not know. */
export function toRequest(incoming: IncomingMessage, visit: Visit, body: Uint8Array, signal: AbortSignal): Request {
  const { method = 'GET', rawHeaders, url } = incoming
  const sent = pairs(rawHeaders).flatMap(([name, value]) => [name.toLowerCase(), value])
  const kept = pairs(withoutHop(sent)).filter(([name]) => !name.startsWith('grove-internal-'))
  const hasBody = method !== 'GET' && method !== 'HEAD'
  return new Request(`https://${visit.hostport}${url}`, {
    method,
    headers: toHeaders(kept.flat()),
    signal,
    ...(hasBody && { body: new Uint8Array(body) }),
  })
}

/**
 * All bytes of a body, or undefined when there are more than `maxBytes`; the rest is then left to be thrown away. Rejects
 * with the signal's reason when it aborts first.
 */
export async function readBody(
  incoming: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  signal.throwIfAborted()
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) return undefined
  const { promise, resolve, reject } = Promise.withResolvers<Buffer | undefined>()
  const chunks: Buffer[] = []
  let length = 0
  const take = (chunk: Buffer) => {
    length += chunk.length
    if (length > maxBytes) resolve(undefined)
    else chunks.push(chunk)
  }
  const fail = () => reject(signal.reason)
  incoming.on('data', take)
  incoming.once('end', () => resolve(Buffer.concat(chunks)))
  incoming.once('error', reject)
  signal.addEventListener('abort', fail)
  try {
    return await promise
  } finally {
    incoming.off('data', take)
    signal.removeEventListener('abort', fail)
  }
}

function pairs(list: HeaderList): [name: string, value: string][] {
  const found: [string, string][] = []
  for (let i = 0; i + 1 < list.length; i += 2) found.push([list[i] as string, list[i + 1] as string])
  return found
}
