/** The control socket of a running control: who does what can be asked there, put together. */

import type { Logger } from 'pino'
import { openOwnershipSecret, systemResolver } from '../certs/ownership.ts'
import { GroveError } from '../core/errors.ts'
import type { ProcessInfo } from '../core/messages.ts'
import type { Keep } from '../store/versions/versions.ts'
import type { Activator } from './activate.ts'
import { AdminServer } from './admin.ts'
import { adminRoutes } from './admin-routes.ts'
import { AuthorDomains } from './author-domains.ts'
import { authorized } from './authorize.ts'
import { certRoutes } from './cert-routes.ts'
import type { CodeParts } from './code-parts.ts'
import { codeRoutes } from './code-routes.ts'
import type { CodeTools } from './code-tools.ts'
import { domainRoutes } from './domain-routes.ts'
import type { FrontLinks } from './fronts.ts'
import { grantRoutes } from './grant-routes.ts'
import type { HostParts } from './host-parts.ts'
import { Publisher } from './publish.ts'
import type { Generation, ReloadResult } from './reload.ts'
import { createSentContents } from './sent-contents.ts'
import type { SiteCertificates } from './site-certificates.ts'
import type { SiteViews } from './site-views.ts'
import { statusOf } from './status.ts'
import { storeRoutes } from './store-routes.ts'
import { Turns } from './turns.ts'
import { Upkeep } from './upkeep.ts'
import { versionRoutes } from './version-routes.ts'

/** What commands act on. */
export interface CommandsOptions {
  readonly host: HostParts
  readonly activator: Activator
  readonly fronts: FrontLinks
  readonly certificates: SiteCertificates
  readonly code: CodeParts
  readonly checkHosts: CodeTools['checkHosts'] | undefined
  readonly views: SiteViews
  readonly current: () => Generation
  readonly startedAtMs: number
  readonly processes: () => readonly ProcessInfo[]
  readonly reload: () => Promise<ReloadResult>
  /** Asks the parent to stop everything. */
  readonly stop: () => void
  /** Takes what has to be closed, in the order in which it was opened. */
  readonly stack: AsyncDisposableStack
  readonly log: Logger
  readonly now: () => number
}

const dayMs = 86_400_000

/** Listens on the control socket. Throws `ERR_PORT`. */
export function listenForCommands(options: CommandsOptions): Promise<AdminServer> {
  const { host, activator, fronts, certificates, views, current, startedAtMs, processes, reload, stop } = options
  const { stack, log, now, code, checkHosts } = options
  const { sandboxes, limitsOf } = code
  const { layout, registry, blobs, store } = host
  const outbox = () => current().outboxes.published
  const keepOf = () => current().loaded.config.keep
  const turns = new Turns()
  const publisher = new Publisher({
    turns,
    registry,
    blobs,
    sent: createSentContents(),
    code: code.publishing,
    deleted: (name) => sandboxes.deleted(name),
    activator,
    fronts,
    outbox,
    urls: (name) => views.urls(name),
    published: (name) => upkeep.published(name),
    log,
    now,
  })
  const keep = (): Keep => ({ versions: keepOf().versions, ms: keepOf().days * dayMs })
  const upkeep = stack.use(new Upkeep({ publisher, keep, collect: (signal) => host.collect(signal), log }))
  const domains = new AuthorDomains({
    registry,
    store: store.id,
    turns,
    config: () => current().loaded.config,
    secret: () => openOwnershipSecret(host.vault),
    resolveTxt: systemResolver(current().loaded.config.certs.lookups.resolvers),
    environment: host.env,
    activator,
    fronts,
    certificates,
    ca: host.ca,
    constraining: host.constraining,
    log,
  })
  const routes = adminRoutes({
    publisher,
    registry,
    views,
    outbox,
    status: () => {
      const facts = { startedAtMs, fronts, views, certificates, sandboxes }
      return statusOf({ generation: current(), processes: processes(), ...facts })
    },
    reload,
    stop,
    command: async (plugin, path, input) => {
      const run = current().plugins.command(plugin, path)
      if (!run) throw new GroveError('ERR_NOT_FOUND', `there is no command "${path}" of a plugin "${plugin}"`)
      return run(input)
    },
  })
  const all = [
    ...routes,
    ...versionRoutes({ publisher, registry, keep: keepOf, presign: host.presign, now }),
    ...grantRoutes({ store, now }),
    ...domainRoutes({ domains, store }),
    ...codeRoutes({ registry, secrets: host.secrets, output: host.output, sandboxes, limitsOf, checkHosts }),
    ...storeRoutes({ host, vaultFolder: current().loaded.config.certs.folder, activator, outbox, turns }),
    ...certRoutes({ certificates, ...certificates.parts, now }),
  ]
  return AdminServer.listen({ socket: layout.controlSocket, routes: authorized(all, store), log })
}
