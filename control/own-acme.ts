/** The ACME server of the own CA, where the config asks for one: certificates for the other machines of one's own network. */

import type { Logger } from 'pino'
import { type AcmeListener, listenAcme, machineAddresses } from '../certs/acme-server/listener.ts'
import { createAcmeServer } from '../certs/acme-server/server.ts'
import { isLoopback } from '../certs/addresses.ts'
import type { Config } from '../core/config.ts'
import { GroveError } from '../core/errors.ts'
import { allSecrets, secretOf, type Variables } from '../core/secrets.ts'
import type { HostParts } from './host-parts.ts'

/** What it is opened with. */
export interface OwnAcmeOptions {
  /** The config in force: its `domain` may become another one. */
  readonly config: () => Pick<Config, 'certs' | 'domain'>
  readonly host: Pick<HostParts, 'ca' | 'vault' | 'env' | 'registry'>
  /** All names that sites have. */
  readonly names: () => readonly string[]
  readonly variables: Variables
  readonly log: Logger
  /** Takes what has to be closed. */
  readonly stack: AsyncDisposableStack
}

/**
 * Listens as the config says. Answers the address of the directory; undefined when none is asked for. Throws `ERR_PORT`,
 * and `ERR_CONFIG_INVALID` for secrets that cannot be had.
 */
export async function openOwnAcme(options: OwnAcmeOptions): Promise<string | undefined> {
  const { config, host, names, variables, log, stack } = options
  const { certs, domain } = config()
  const { server: wish } = certs.own
  if (wish === false) return undefined
  const { ca, vault, env: environment, registry } = host
  const secrets = await allSecrets(
    Object.entries(wish.accounts).map(
      async ([kid, key]) => [kid, await secretOf(key, `certs.own.server.accounts.${kid}`, variables)] as const,
    ),
  )
  const { resolvers: dnsServers } = certs.lookups
  const server = createAcmeServer({
    ca,
    vault,
    environment,
    log,
    isServed: (name) => isServedHere(name, { domain: config().domain, registry, names }),
    externalAccounts: Object.fromEntries(secrets),
    ...(dnsServers && { prove: { dnsServers } }),
  })
  stack.use(server)
  const { port, address } = wish
  const common = { server, ca, environment, log, port, names: [domain] }
  const listener = stack.use(await listenAt({ ...common, ...(address !== undefined && { address }) }))
  return `https://${domain}:${listener.port}/directory`
}

/** What decides whether a name is this Grove's own. */
export interface OwnNames {
  readonly domain: string
  readonly registry: Pick<HostParts['registry'], 'siteAt'>
  /** All names that sites have. */
  readonly names: () => readonly string[]
}

/**
 * Whether a name is this Grove's own, so that no other program may stand in for it: that of a site; the domain, by which
 * the ACME server itself is reached; an address of this machine, or what means one's own machine everywhere; a wildcard
 * that covers one of these. A wildcard of the domain always is: the next site may have any name under it.
 */
export function isServedHere(name: string, { domain, registry, names }: OwnNames): boolean {
  if (isLoopback(name) || machineAddresses().includes(name)) return true
  if (!name.startsWith('*.')) return name === domain || registry.siteAt(name) !== undefined
  const parent = name.slice(2)
  return parent === domain || parent === parentOf(domain) || names().some((one) => parentOf(one) === parent)
}

function parentOf(name: string): string {
  return name.slice(name.indexOf('.') + 1)
}

async function listenAt(options: Parameters<typeof listenAcme>[0]): Promise<AcmeListener> {
  try {
    return await listenAcme(options)
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException
    if (syscall !== 'listen' && syscall !== 'bind') throw error
    throw new GroveError('ERR_PORT', `cannot listen on port ${options.port} for the ACME server: ${message}`, {
      cause: error,
      details: { reason: code },
      hint: 'give certs.own.server another port',
    })
  }
}
