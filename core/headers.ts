/**
 * Flat header lists: `[name, value, name, value, ...]`, names in lower case, order kept. It is the shape that node:http
 * takes and gives (`rawHeaders`, `writeHead`) and that HTTP/2 takes in `respond`, so no object is built on the way.
 */

/** `[name, value, ...]` with lower-case names; a name may come more than once. */
export type HeaderList = readonly string[]

/** The first value of a header, or undefined. `name` must be lower case. */
export function getHeader(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1]
  return undefined
}

/** All values of a header joined by `, ` (RFC 9110 section 5.3), or undefined. Not for `set-cookie`. */
export function joinHeader(headers: HeaderList, name: string): string | undefined {
  let joined: string | undefined
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] !== name) continue
    joined = joined === undefined ? headers[i + 1] : `${joined}, ${headers[i + 1]}`
  }
  return joined
}

/** A copy without the named headers. `names` must be lower case. */
export function withoutHeaders(headers: HeaderList, names: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (!names.has(name)) kept.push(name, headers[i + 1] as string)
  }
  return kept
}

/** A flat list from a web `Headers`, with every `set-cookie` apart. */
export function fromHeaders(headers: Headers): string[] {
  const list: string[] = []
  for (const [name, value] of headers) list.push(name, value)
  return list
}

/** A web `Headers` from a flat list. Throws `TypeError` where a name or value is not allowed there. */
export function toHeaders(list: HeaderList): Headers {
  const headers = new Headers()
  for (let i = 0; i < list.length; i += 2) headers.append(list[i] as string, list[i + 1] as string)
  return headers
}

/**
 * Names of headers that are about one connection (RFC 9110 section 7.6.1 and what else is meant for one hop), beside
 * whatever Connection names. TE is among them as a whole, since no trailers are passed on.
 */
export const hopByHopHeaders: ReadonlySet<string> = new Set([
  'alt-svc',
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const valuePattern = /^[\t\x20-\x7e\x80-\xff]*$/

/** Whether a name and value may stand in a header: a token (RFC 9110 section 5.6.2), and no control character but tab. */
export function isValidHeader(name: string, value: string): boolean {
  return tokenPattern.test(name) && valuePattern.test(value)
}
