/**
 * Addresses and networks as bytes: what certificates hold of them (RFC 5280 sections 4.2.1.6 and 4.2.1.10), and how they
 * are compared.
 */

import { BlockList, isIP } from 'node:net'
import { GroveError } from '../core/errors.ts'

/** All addresses that begin with the same bits. */
export interface Network {
  /** The first address: 4 or 16 bytes, zero beyond {@link bits}. */
  readonly bytes: Buffer
  /** How many bits its addresses share: 0 to 32, or 0 to 128. */
  readonly bits: number
}

/**
 * An address in the one spelling that is compared (RFC 5952 for IPv6), or undefined for what is none. Brackets around
 * IPv6 are taken away; a zone (`%eth0`) makes it no address, since it means something on one machine only.
 */
export function toAddress(text: string): string | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (isIP(bare) === 4) return bare
  if (isIP(bare) !== 6 || bare.includes('%')) return undefined
  return new URL(`http://[${bare}]/`).hostname.slice(1, -1)
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Whether a name or an address means the machine that looks it up, whichever that is (RFC 6761 section 6.3, RFC 1122
 * section 3.2.1.3, RFC 4291 section 2.5.3). Of names only those that always do.
 */
export function isLoopback(value: string): boolean {
  const address = toAddress(value)
  if (address !== undefined) return loopback.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
  return value === 'localhost' || value.endsWith('.localhost')
}

/** The bytes of an address, 4 or 16. Throws `ERR_CERT_NAME` for what is none. */
export function addressBytes(text: string): Buffer {
  const address = toAddress(text)
  if (address === undefined) throw new GroveError('ERR_CERT_NAME', `"${text}" is not an address`)
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number))
  const [left = [], right = []] = address.split('::').map((half) => (half === '' ? [] : half.split(':')))
  const zeros = Array<string>(8 - left.length - right.length).fill('0')
  return Buffer.from([...left, ...zeros, ...right].flatMap(toTwoBytes))
}

/** A network from `10.0.0.0/8`, `fc00::/7`, or an address for itself alone; undefined for what is none. */
export function toNetwork(text: string): Network | undefined {
  const [address = '', length, ...rest] = text.split('/')
  if (toAddress(address) === undefined || rest.length > 0) return undefined
  const bytes = addressBytes(address)
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined
  const bits = length === undefined ? bytes.length * 8 : Number(length)
  if (bits > bytes.length * 8) return undefined
  const mask = maskOf(bytes.length, bits)
  return { bytes: Buffer.from(bytes.map((byte, index) => byte & (mask[index] ?? 0))), bits }
}

/** Whether an address (4 or 16 bytes) lies in a network. One of IPv4 never lies in one of IPv6. */
export function isWithin(address: Uint8Array, { bytes, bits }: Network): boolean {
  const mask = maskOf(bytes.length, bits)
  return (
    address.length === bytes.length &&
    bytes.every((byte, index) => byte === ((address[index] ?? 0) & (mask[index] ?? 0)))
  )
}

/** The mask of a network: so many bytes, of which the first bits are set. */
export function maskOf(byteCount: number, bits: number): Buffer {
  return Buffer.from(
    Array.from({ length: byteCount }, (_, index) => 0xff & ~(0xff >> Math.max(0, Math.min(8, bits - index * 8)))),
  )
}

function toTwoBytes(group: string): [number, number] {
  const value = Number.parseInt(group, 16)
  return [value >> 8, value & 0xff]
}
