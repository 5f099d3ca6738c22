/** Whose address it is, as far as an address can tell. */

import { isIPv4, isIPv6 } from 'node:net'

/**
 * The part of an address that one visitor holds: all of IPv4, the first 64 bits of IPv6, because a single subscriber
 * gets a whole /64 (RFC 6177). An IPv4 address inside IPv6 is the IPv4 address.
 */
export function networkOf(address: string): string {
  const plain = address.replace(/^\[|\]$|%.*$/g, '').toLowerCase()
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)
  if (mapped) return mapped[1] as string
  if (!isIPv6(plain)) return plain
  const [head = '', tail] = plain.split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  // A dotted quad at the end stands for two groups.
  const groupsRight = right.length + (right.at(-1)?.includes('.') ? 1 : 0)
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - left.length - groupsRight)).fill('0')
  const network = [...left, ...zeros, ...right].slice(0, 4)
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

/**
 * The small network around an address: the first 24 bits of IPv4, the first 56 of IPv6, which is what one household or
 * office often gets (RFC 6177). For budgets that somebody with a few addresses must not have several of.
 */
export function neighborhoodOf(address: string): string {
  const network = networkOf(address)
  if (isIPv4(network)) return `${network.slice(0, network.lastIndexOf('.'))}.0/24`
  const [, first, last] = /^([0-9a-f:]+):([0-9a-f]+)::\/64$/.exec(network) ?? []
  if (first === undefined || last === undefined) return network
  return `${first}:${(Number.parseInt(last, 16) & 0xff00).toString(16)}::/56`
}
