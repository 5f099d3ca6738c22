/**
 * Who a visitor is by address, and by which scheme it came, when proxies stand in front of Grove. Pure.
 *
 * Only what a trusted peer says is believed, and of the list in X-Forwarded-For only what trusted proxies wrote: it is
 * read from right to left, and the first address that is not a trusted proxy is the visitor. Everything left of it may
 * have been written by the visitor.
 */

import { type BlockList, isIP, isIPv4 } from 'node:net'
import { getHeader, type HeaderList } from '../core/headers.ts'
import { limits } from '../core/limits.ts'

/** An address without the form in which IPv4 arrives on a socket for both (`::ffff:192.0.2.1`). */
export function plainAddress(address: string): string {
  if (!address.startsWith('::ffff:')) return address
  const rest = address.slice(7)
  return isIPv4(rest) ? rest : address
}

/** Whether an address is that of a trusted proxy. What is no address is not. */
export function isTrusted(address: string, trusted: BlockList): boolean {
  const family = isIP(address)
  return family !== 0 && trusted.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

/**
 * The visitor's address. `peer` is the other end of the connection. Where a trusted proxy wrote something that is no
 * address, the search stops at that proxy: a guess would be worse than a coarse truth.
 */
export function clientAddress(peer: string, headers: HeaderList, trusted: BlockList): string {
  let address = plainAddress(peer)
  if (getHeader(headers, 'x-forwarded-for') === undefined || !isTrusted(address, trusted)) return address
  let hops = 0
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    if (headers[i] !== 'x-forwarded-for') continue
    const entries = (headers[i + 1] as string).split(',')
    for (let entry = entries.length - 1; entry >= 0; entry -= 1) {
      const next = toAddress((entries[entry] as string).trim())
      if (next === undefined || ++hops > limits.http.forwardedHops) return address
      address = next
      if (!isTrusted(address, trusted)) return address
    }
  }
  return address
}

/** `https` when the connection is TLS or a trusted peer says so in X-Forwarded-Proto, else `http`. */
export function clientScheme(
  peer: string,
  headers: HeaderList,
  { secure, trusted }: { readonly secure: boolean; readonly trusted: BlockList },
): 'https' | 'http' {
  if (secure) return 'https'
  let said: string | undefined
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === 'x-forwarded-proto') said = headers[i + 1]
  if (said === undefined || !isTrusted(plainAddress(peer), trusted)) return 'http'
  // The nearest proxy is the trusted one, and it writes at the end.
  return said
    .slice(said.lastIndexOf(',') + 1)
    .trim()
    .toLowerCase() === 'https'
    ? 'https'
    : 'http'
}

/** One entry of the list: an address, or one with a port as some proxies write it. */
function toAddress(entry: string): string | undefined {
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?$/.exec(entry)
  const text = bracketed?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/.exec(entry)?.[1] ?? entry
  const address = plainAddress(text.toLowerCase())
  return isIP(address) === 0 || address.includes('%') ? undefined : address
}
