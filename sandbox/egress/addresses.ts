/**
 * Which addresses site code may reach: those of the public internet, and no others.
 *
 * IPv4 is public unless a special range says otherwise; IPv6 is public only inside 2000::/3, the one part that is given
 * out, and there too unless a special range says otherwise. That refuses with few words every form in which an IPv4
 * address travels inside of IPv6 (mapped, compatible, translated, NAT64, 6to4, Teredo), whatever it leads to.
 *
 * It defends against sites that reach for this machine, its network or a cloud's metadata. It cannot know of networks
 * with public addresses that an operator takes for internal, nor of a NAT64 prefix of the operator's own: these have to
 * be named (`denied`).
 */

import { BlockList, isIPv4, isIPv6 } from 'node:net'
import { networkInterfaces } from 'node:os'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'

/** Tells which addresses may be connected to. */
export interface AddressCheck {
  /** Whether a connection to an address may be made. What is no address is not one. */
  isAllowed(address: string): boolean
}

/** What an {@link AddressCheck} is made with. */
export interface AddressCheckOptions {
  /** Networks that are refused too: `203.0.113.0/24`, `2001:db8::/32`, or an address. @default none */
  readonly denied?: readonly string[] | undefined
  /** The addresses of this machine. @default those of its interfaces, looked at again every few seconds */
  readonly own?: (() => readonly string[]) | undefined
  /**
   * Addresses that count as public whatever they are, the machine's own and loopback ones included. For tests that
   * have no public server to talk to; nothing in Grove sets it. @default none
   */
  readonly alsoPublic?: readonly string[] | undefined
}

/** What is not for everybody in IPv4 (IANA's special-purpose registry), and what a cloud answers on each of its machines. */
const specialIPv4 = [
  '0.0.0.0/8', // RFC 791: this network
  '10.0.0.0/8', // RFC 1918
  '100.64.0.0/10', // RFC 6598: behind a carrier's NAT; in it the metadata of Alibaba Cloud, 100.100.100.200
  '127.0.0.0/8', // RFC 1122
  '168.63.129.16', // The host of each machine in Azure, though its address looks public.
  '169.254.0.0/16', // RFC 3927; in it the metadata of most clouds, 169.254.169.254
  '172.16.0.0/12', // RFC 1918
  '192.0.0.0/24', // RFC 6890; in it the metadata of Oracle Cloud, 192.0.0.192
  '192.0.2.0/24', // RFC 5737: documentation
  '192.31.196.0/24', // RFC 7535: AS112
  '192.52.193.0/24', // RFC 7450: AMT
  '192.88.99.0/24', // RFC 7526: relays of 6to4
  '192.168.0.0/16', // RFC 1918
  '192.175.48.0/24', // RFC 7534: AS112
  '198.18.0.0/15', // RFC 2544: benchmarks
  '198.51.100.0/24', // RFC 5737: documentation
  '203.0.113.0/24', // RFC 5737: documentation
  '224.0.0.0/4', // RFC 1112: multicast
  '240.0.0.0/4', // RFC 1112: reserved, and 255.255.255.255
]

/** What is not for everybody within 2000::/3. Outside of it nothing is. */
const specialIPv6 = [
  '2001::/23', // RFC 2928: protocols; in it Teredo (RFC 4380), benchmarks, ORCHID
  '2001:db8::/32', // RFC 3849: documentation
  '2002::/16', // RFC 3056: 6to4
  '2620:4f:8000::/48', // RFC 7534: AS112
  '3ffe::/16', // RFC 3701: the 6bone, given back
  '3fff::/20', // RFC 9637: documentation
]

const special = toBlockList([...specialIPv4, ...specialIPv6])
const globalUnicast = toBlockList(['2000::/3'])

/** A check of addresses. Throws `ERR_CONFIG_INVALID` for a network that is none. */
export function createAddressCheck(options: AddressCheckOptions = {}): AddressCheck {
  const { own = createOwnAddresses(), alsoPublic = [] } = options
  const denied = toBlockList(options.denied ?? [])
  const exempt = new Set(alsoPublic.map((address) => canonicalAddress(address)))
  return {
    isAllowed(text) {
      const address = canonicalAddress(text)
      if (address === undefined) return false
      if (exempt.has(address)) return true
      if (!isPublicAddress(address) || contains(denied, address)) return false
      return !own().some((mine) => canonicalAddress(mine) === address)
    },
  }
}

/** Whether an address is of the public internet, as far as registries tell. */
export function isPublicAddress(text: string): boolean {
  const address = canonicalAddress(text)
  if (address === undefined || contains(special, address)) return false
  if (isIPv4(address)) return true
  if (!contains(globalUnicast, address)) return false
  const tunnelled = isatapTarget(address)
  return tunnelled === undefined || isPublicAddress(tunnelled)
}

/**
 * An address in its one spelling (RFC 5952 for IPv6), without brackets; undefined for what is none. A zone (`%eth0`)
 * makes it none, since it means something on one machine only.
 */
export function canonicalAddress(text: string): string | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (isIPv4(bare)) return bare
  if (!isIPv6(bare) || bare.includes('%')) return undefined
  return new URL(`http://[${bare}]/`).hostname.slice(1, -1)
}

/** The IPv4 address that an ISATAP interface (RFC 5214 section 6.1) leads to, or undefined if it is none. */
function isatapTarget(address: string): string | undefined {
  const [left = '', right = ''] = address.split('::')
  const tail = right === '' ? left.split(':') : right.split(':')
  const groups = [...Array<string>(8).fill('0'), ...tail].slice(-4).map((group) => Number.parseInt(group, 16))
  const [kind = 0, marker = 0, high = 0, low = 0] = groups
  if ((kind !== 0 && kind !== 0x200) || marker !== 0x5efe) return undefined
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.')
}

function createOwnAddresses(): () => readonly string[] {
  let known: readonly string[] = []
  let knownUntilMs = -1
  return () => {
    if (performance.now() > knownUntilMs) {
      knownUntilMs = performance.now() + limits.egress.interfacesMs
      known = Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address))
    }
    return known
  }
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}

function toBlockList(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const text of networks) {
    const [address = '', bits, ...rest] = text.split('/')
    const family = isIPv4(address) ? 'ipv4' : 'ipv6'
    const longest = family === 'ipv4' ? 32 : 128
    const isNetwork = canonicalAddress(address) !== undefined && !address.startsWith('[') && rest.length === 0
    if (!isNetwork || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= longest)))
      throw new GroveError('ERR_CONFIG_INVALID', `"${text}" is not a network such as 203.0.113.0/24 or 2001:db8::/32`)
    list.addSubnet(address, bits === undefined ? longest : Number(bits), family)
  }
  return list
}
