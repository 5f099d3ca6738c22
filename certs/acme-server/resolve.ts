/**
 * Where a name leads, and whether this server goes there.
 *
 * Whoever can order names can have this server open connections. So it connects only to addresses that the CA may sign
 * for (loopback, private networks and configured ones) and at the ports of the challenges, never to those where clouds
 * keep secrets; and it connects to the very address that was looked at, so that a name that leads elsewhere a moment later
 * changes nothing. What was found on the way is for the log: clients are told no addresses, and not what each of them did.
 * How long it took they see, so whether something answers at such a port can still be guessed.
 */

import { lookup, Resolver } from 'node:dns/promises'
import { BlockList } from 'node:net'
import { limits } from '../../core/limits.ts'
import { isLoopback, toAddress } from '../addresses.ts'
import { problem } from './problem.ts'

/** Where machines in clouds ask for their own secrets, whatever the CA may sign for: link-local, Amazon, Google, Alibaba. */
const secretPlaces = new BlockList()
secretPlaces.addSubnet('169.254.0.0', 16, 'ipv4')
secretPlaces.addSubnet('fe80::', 10, 'ipv6')
secretPlaces.addSubnet('fd00:ec2::', 32, 'ipv6')
secretPlaces.addAddress('fd20:ce::254', 'ipv6')
secretPlaces.addAddress('100.100.100.200', 'ipv4')

/** How names are looked up. */
export interface ResolveOptions {
  /** Whether an address may be connected to. */
  readonly mayAsk: (address: string) => boolean
  /**
   * DNS servers as `address` or `address:port`.
   * @default those of the system; and for addresses all that the system knows, such as /etc/hosts and multicast DNS
   */
  readonly dnsServers?: readonly string[] | undefined
}

/**
 * The addresses of a name, or of an address itself, that may be connected to, at most {@link limits}.acmeServer.addresses.
 * Throws the problem `dns` when there is none, `rejectedIdentifier` when none of them may be.
 */
export async function addressesOf(value: string, options: ResolveOptions, signal: AbortSignal): Promise<string[]> {
  const found = await findAddresses(value, options, signal)
  if (found.length === 0) throw problem('dns', `${value} has no address`)
  const allowed = found.filter((address) => options.mayAsk(address) && !isSecretPlace(address))
  if (allowed.length === 0)
    throw problem('rejectedIdentifier', `${value} leads to no address that this CA may ask`, {
      cause: new Error(`it leads to ${found.join(', ')}`),
    })
  return allowed.slice(0, limits.acmeServer.addresses)
}

/**
 * Asks one address after the other until one answers. When none does, throws the problem `connection`, or `tls` when one
 * of them spoke but not as it should, with what each of them did as its cause; a problem that is thrown ends it at once.
 */
export async function firstOf<T>(
  addresses: readonly string[],
  signal: AbortSignal,
  ask: (address: string) => Promise<T>,
): Promise<T> {
  const failures: { readonly address: string; readonly code: string }[] = []
  for (const address of addresses) {
    try {
      return await ask(address)
    } catch (error) {
      signal.throwIfAborted()
      const { code = 'no answer' } = error as NodeJS.ErrnoException
      if (code === 'ERR_ACME') throw error
      failures.push({ address, code })
    }
  }
  const isTls = failures.some(
    ({ code }) => code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS') || code === 'EPROTO',
  )
  const cause = new Error(failures.map(({ address, code }) => `${address}: ${code}`).join(', '))
  throw problem(isTls ? 'tls' : 'connection', 'the server does not answer as one does', { cause })
}

/** The TXT records of a name, each in one piece. Throws the problem `dns`. */
export async function textsOf(name: string, options: ResolveOptions, signal: AbortSignal): Promise<string[]> {
  const records = await ask(name, options, signal, (resolver) => resolver.resolveTxt(name))
  return records.map((parts) => parts.join(''))
}

async function findAddresses(value: string, options: ResolveOptions, signal: AbortSignal): Promise<string[]> {
  if (toAddress(value) !== undefined) return [value]
  // RFC 6761 section 6.3: these names are never asked for.
  if (isLoopback(value)) return ['127.0.0.1', '::1']
  if (!options.dnsServers) return findBySystem(value, signal)
  const [v4, v6] = await Promise.allSettled([
    ask(value, options, signal, (resolver) => resolver.resolve4(value)),
    ask(value, options, signal, (resolver) => resolver.resolve6(value)),
  ])
  if (v4.status === 'rejected' && v6.status === 'rejected') throw v4.reason
  const all = [v4, v6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
  return all.flatMap((address) => toAddress(address) ?? [])
}

async function findBySystem(name: string, signal: AbortSignal): Promise<string[]> {
  const given = Promise.withResolvers<never>()
  const giveUp = () => given.reject(problem('dns', `${name} was not found in time`))
  signal.addEventListener('abort', giveUp, { once: true })
  try {
    const found = await Promise.race([lookup(name, { all: true, order: 'ipv4first' }), given.promise])
    return found.flatMap(({ address }) => toAddress(address) ?? [])
  } catch (error) {
    throw asProblem(name, error)
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}

async function ask<T>(
  name: string,
  { dnsServers }: ResolveOptions,
  signal: AbortSignal,
  question: (resolver: Resolver) => Promise<T>,
): Promise<T> {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 })
  if (dnsServers) resolver.setServers(dnsServers)
  const cancel = () => resolver.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await question(resolver)
  } catch (error) {
    throw asProblem(name, error)
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

function asProblem(name: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ERR_ACME') return error
  return problem('dns', `${name} cannot be looked up: ${code ?? 'no answer'}`, { cause: error })
}

function isSecretPlace(address: string): boolean {
  return secretPlaces.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
}
