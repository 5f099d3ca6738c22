/**
 * Which names and addresses the own CA signs for, and how its intermediate says so (RFC 5280 section 4.2.1.10).
 *
 * The extension defends the people who trust the root: a stolen key of the intermediate signs for these names only, and
 * every verifier that follows RFC 5280 refuses the rest. It stands in the intermediate and not in the root, because
 * verifiers need not look into a trust anchor (RFC 5280 section 6.1; Chromium has since version 112), and because names
 * change while a root is trusted by hand for ten years. So it does not limit who holds the key of the root.
 */

import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { isAuthority } from '../core/names.ts'
import { addressBytes, isWithin, maskOf, type Network, toAddress, toNetwork } from './addresses.ts'
import { der, derTags, readDer } from './der.ts'

/** OID of the extension. */
export const nameConstraintsOid = '2.5.29.30'

/** Names that are nobody's on the internet (RFC 6761, RFC 6762, RFC 8375; `internal`: ICANN, 2024). */
const localDomains = ['localhost', 'local', 'internal', 'home.arpa']

/**
 * Loopback and private networks (RFC 1918, RFC 4193). Not link-local ones: an IPv6 address there means nothing without
 * its zone, and in IPv4 clouds keep their machines' secrets there.
 */
const localNetworks = ['127.0.0.0/8', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '::1/128', 'fc00::/7']

/** Tags of the kinds of names (RFC 5280 section 4.2.1.6), and of the list of what is permitted. */
const tags = { dnsName: 0x82, address: 0x87, permitted: 0xa0 }

/** What the own CA signs for. */
export interface Constraints {
  /** Each with all names under it. Sorted, none under another. */
  readonly domains: readonly string[]
  readonly networks: readonly Network[]
}

/**
 * The names of one's own network and these: host names (each with all under it), addresses, and networks such as
 * `100.64.0.0/10`. Throws `ERR_CERT_NAME` for anything else, and `ERR_CERT` when they take more bytes than
 * {@link limits}.cert.constraintBytes: the list goes along in every handshake.
 */
export function toConstraints(names: readonly string[]): Constraints {
  const domains = new Set(localDomains)
  const networks = localNetworks.map(knownNetwork)
  for (const name of names) {
    const network = toNetwork(name)
    if (network) networks.push(network)
    else if (isAuthority(name)) domains.add(name)
    else throw new GroveError('ERR_CERT_NAME', `"${name}" is not a host name, an address or a network`)
  }
  const least = [...domains].filter((name) => !isUnderAny(name, domains)).sort()
  const wide = networks.filter((network, index) => !isCovered(network, index, networks))
  const constraints = { domains: least, networks: wide }
  const { length: bytes } = encodeConstraints(constraints)
  if (bytes > limits.cert.constraintBytes)
    throw new GroveError(
      'ERR_CERT',
      `the own CA would sign for ${least.length} names, which take ${bytes} bytes in each handshake: ${limits.cert.constraintBytes} are the most`,
      { hint: 'give the name above them in certs.own.domains' },
    )
  return constraints
}

/** How many bytes a host name adds to what {@link encodeConstraints} makes, at most. */
export function constraintBytes(name: string): number {
  return encodeConstraints({ domains: [name], networks: [] }).length
}

/** Whether a name, a wildcard (`*.` before a name) or an address is one of these. */
export function permits({ domains, networks }: Constraints, name: string): boolean {
  if (toAddress(name) !== undefined) {
    const bytes = addressBytes(name)
    return networks.some((network) => isWithin(bytes, network))
  }
  const base = name.startsWith('*.') ? name.slice(2) : name
  return domains.some((domain) => base === domain || base.endsWith(`.${domain}`))
}

/** The value of the extension. The same constraints have the same bytes. */
export function encodeConstraints({ domains, networks }: Constraints): Buffer {
  const bases = [
    ...domains.map((name) => der(tags.dnsName, Buffer.from(name, 'latin1'))),
    ...networks.map(({ bytes, bits }) => der(tags.address, bytes, maskOf(bytes.length, bits))),
  ]
  return der(derTags.sequence, der(tags.permitted, ...bases.map((base) => der(derTags.sequence, base))))
}

/** What an extension that {@link encodeConstraints} made says; undefined for any other. */
export function decodeConstraints(value: Buffer): Constraints | undefined {
  const [whole] = readDer(value) ?? []
  const [permitted] = readDer(whole?.content ?? Buffer.of()) ?? []
  const subtrees = readDer(permitted?.content ?? Buffer.of()) ?? []
  const domains: string[] = []
  const networks: Network[] = []
  for (const { content } of subtrees) {
    const [base] = readDer(content) ?? []
    if (base?.tag === tags.dnsName) domains.push(base.content.toString('latin1'))
    else if (base?.tag === tags.address) networks.push(toNetworkOf(base.content))
  }
  const constraints = { domains, networks }
  return encodeConstraints(constraints).equals(value) ? constraints : undefined
}

function toNetworkOf(content: Buffer): Network {
  const half = content.length / 2
  const ones = content.subarray(half).reduce((count, byte) => count + byte.toString(2).replaceAll('0', '').length, 0)
  return { bytes: content.subarray(0, half), bits: ones }
}

function isUnderAny(name: string, domains: ReadonlySet<string>): boolean {
  const labels = name.split('.')
  return labels.some((_, index) => index > 0 && domains.has(labels.slice(index).join('.')))
}

/** Whether another network holds this one. Of two that are equal, the later is held by the earlier. */
function isCovered({ bytes, bits }: Network, index: number, networks: readonly Network[]): boolean {
  return networks.some(
    (other, at) => at !== index && (other.bits < bits || (other.bits === bits && at < index)) && isWithin(bytes, other),
  )
}

function knownNetwork(text: string): Network {
  const network = toNetwork(text)
  if (!network) throw new GroveError('ERR_INTERNAL', `"${text}" is not a network`)
  return network
}
