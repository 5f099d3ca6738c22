/** How plugins and the server of their routes are started on one host. */

import type { Logger } from 'pino'
import type { Config } from '../core/config.ts'
import { limits } from '../core/limits.ts'
import type { Revocation } from '../core/session.ts'
import type { HostParts } from './host-parts.ts'
import { type RunningPlugins, startPlugins } from './plugin-host.ts'
import { startPluginServer } from './plugin-server.ts'
import type { Generation } from './reload.ts'

/** What plugins are started with. */
export interface PluginStartsOptions {
  readonly host: HostParts
  readonly current: () => Generation
  /** Ends sessions; resolves when it is durable and fronts know. */
  readonly revoke: (revocation: Revocation) => Promise<void>
  readonly log: Logger
  readonly now: () => number
}

/** Starts plugins. */
export interface PluginStarts {
  /** The plugins of a config. Throws `ERR_PLUGIN_START`. */
  plugins(config: Config): Promise<RunningPlugins>
  /** The server that fronts hand requests for plugin routes to. Throws `ERR_PORT`. */
  server(): Promise<AsyncDisposable>
}

/** How plugins are started on a host. */
export function pluginStarts({ host, current, revoke, log, now }: PluginStartsOptions): PluginStarts {
  const { layout, store, registry, keys } = host
  return {
    plugins: (config) =>
      startPlugins({
        plugins: config.plugins,
        store,
        handle: store.root,
        log,
        sites: () => registry.names.map((name) => registry.info(name)),
        revokeUser: (userId) => {
          const nowMs = now()
          return revoke({ kind: 'user', userId, issuedUptoMs: nowMs, untilMs: nowMs + limits.session.longestMs })
        },
      }),
    server: () =>
      startPluginServer({
        layout,
        plugins: () => current().plugins.plugins,
        site: (name) => (registry.serves(name) ? registry.info(name) : undefined),
        keys: () => keys.current(),
        maxAgeSeconds: () => current().loaded.config.sessions.maxAgeSeconds,
        revoke,
        log,
        now,
      }),
  }
}
