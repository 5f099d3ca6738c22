/** What follows from the config for listeners, fronts and the supervisor of sandboxes. Pure. */

import type { Config } from '../core/config.ts'
import type { LoadedConfig } from '../core/load-config.ts'
import type { FrontSettings, ListenerName, ListenSpec } from '../core/messages.ts'
import type { SupervisorSettings } from '../core/supervisor-start.ts'
import { hstsHeader } from '../core/tls-config.ts'

/** The real port of each listener, where the config says 0. */
export type Ports = Readonly<Partial<Record<ListenerName, number>>>

const loopback = ['127.0.0.1', '::1']
const everywhere = ['0.0.0.0', '::']

/**
 * Where to listen. The plain listener is on loopback whatever the config says of addresses: it believes what the proxy
 * in front of it says of the visitor.
 */
export function listenSpecs({ domain, listen }: Config): ListenSpec[] {
  const addresses = listen.addresses ?? (domain === 'localhost' ? loopback : everywhere)
  const specs: ListenSpec[] = [{ name: 'https', port: listen.https, addresses }]
  if (listen.http !== false) specs.push({ name: 'http', port: listen.http, addresses })
  if (listen.plain !== false) specs.push({ name: 'plain', port: listen.plain, addresses: loopback })
  return specs
}

/** The settings of fronts. */
export function frontSettings(loaded: LoadedConfig, generation: number, ports: Ports): FrontSettings {
  const { config, file } = loaded
  const hsts = hstsHeader(config.hsts)
  const hasMiddleware = config.plugins.some(({ request }) => request !== undefined)
  return {
    generation,
    domain: config.domain,
    httpsPort: ports.https ?? config.listen.https,
    ...(hsts !== undefined && { hsts }),
    trustedProxies: config.trustedProxies,
    logLevel: config.log.level,
    accessLog: config.log.access,
    routed: config.plugins.filter(({ routes }) => Object.keys(routes ?? {}).length > 0).map(({ name }) => name),
    metered: config.plugins.some(({ metered }) => metered !== undefined),
    ...(hasMiddleware && file !== undefined && { middlewareFrom: file }),
  }
}

/** The settings of the supervisor of sandboxes; undefined where none is to run. Port 0 stands for the one that is bound. */
export function supervisorSettings({ sandbox, log, domain, listen }: Config): SupervisorSettings | undefined {
  const { enabled, processes, spares, firstUid, group, ports, denied } = sandbox
  if (!enabled) return undefined
  const { addresses = everywhere } = listen
  const address = addresses.includes('0.0.0.0') ? '127.0.0.1' : (addresses[0] ?? '127.0.0.1')
  return {
    logLevel: log.level,
    processes,
    spares,
    ...(firstUid !== undefined && { firstUid }),
    ...(group !== undefined && { group }),
    ports,
    denied,
    own: { domain, address, port: listen.https },
  }
}
