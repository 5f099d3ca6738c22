/** What lies in the data folder, opened. */

import { join } from 'node:path'
import type { Logger } from 'pino'
import { type Leaves, openLeaves } from '../certs/leaves.ts'
import { openVault } from '../certs/open-vault.ts'
import { type OwnCa, openOwnCa } from '../certs/own-ca.ts'
import { openTickets } from '../certs/tickets.ts'
import type { Vault } from '../certs/vault.ts'
import type { Config } from '../core/config.ts'
import { type Layout, layoutOf } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import { createTurnstile, type Turnstile } from '../core/turnstile.ts'
import { openSqliteStore } from '../store/drivers/sqlite.ts'
import type { Environment } from '../store/environment.ts'
import { nodeEnvironment } from '../store/environment-node.ts'
import type { Store } from '../store/store.ts'
import { openDataFolder } from './data-folder.ts'
import { type Holdings, openHoldings } from './holdings.ts'
import { type Keys, openKeys } from './keys.ts'
import { Outstanding } from './outstanding.ts'
import { ownNames } from './own-names.ts'
import { openRevocations, type Revocations } from './revocations.ts'
import { SiteBags } from './site-bags.ts'
import { openSiteOutput, type SiteOutput } from './site-output.ts'
import { SiteRegistry } from './site-registry.ts'
import { SiteSecrets } from './site-secrets.ts'
import { UsageLog } from './usage-log.ts'

/** The parts of one data folder. */
export interface HostParts extends Holdings {
  readonly layout: Layout
  readonly env: Environment
  readonly store: Store
  readonly outstanding: Outstanding
  readonly registry: SiteRegistry
  readonly keys: Keys
  readonly revocations: Revocations
  readonly usageLog: UsageLog
  /** Of site code: its data, its secrets, and what it says. */
  readonly bags: SiteBags
  readonly secrets: SiteSecrets
  readonly output: SiteOutput
  /** Sites that are being deleted: their code gets nothing more. */
  readonly ending: ReadonlySet<SiteName>
  /** Certificates, accounts and keys that several machines may share. */
  readonly vault: Vault
  readonly ca: OwnCa
  /** Where all who change what {@link ca} is limited to come one after the other, and read there what is wanted. */
  readonly constraining: Turnstile
  /** Only for names of sites that are served. */
  readonly leaves: Leaves
}

/** What the parts are opened with. */
export interface HostPartsOptions {
  readonly config: Config
  readonly log: Logger
  readonly now: () => number
  /** Takes what has to be closed, in the order in which it was opened. */
  readonly stack: AsyncDisposableStack
}

/** Opens everything in the config's data folder, and makes it the first time. Throws `ERR_DATA_LOCKED` when another process has it. */
export async function openHostParts({ config, log, now, stack }: HostPartsOptions): Promise<HostParts> {
  const layout = layoutOf(config.data)
  await openDataFolder(layout)
  const env: Environment = { ...nodeEnvironment, now }
  // The store comes first: its lock keeps a second process away from all the rest.
  const store = stack.use(await openSqliteStore(layout.database, { env }))
  const holdings = await openHoldings({ config, layout, store, env, log, stack })
  const outstanding = stack.use(await Outstanding.open(store))
  const bags = stack.use(new SiteBags({ store, now, log }))
  const secrets = stack.use(new SiteSecrets({ store, env, keyring: holdings.keyring, log }))
  const output = stack.use(await openSiteOutput(layout.logs, log))
  const ending = new Set<SiteName>()
  const registry = stack.use(
    await SiteRegistry.open({
      store,
      openVersions: holdings.openVersions,
      outstanding,
      config,
      now,
      forget: async (site) => {
        ending.add(site)
        await bags.clear(site)
        await secrets.clear(site)
        await output.remove(site)
      },
      forgotten: (site) => void ending.delete(site),
      failed: (site, error) => log.warn({ err: error, site }, 'site could not be closed'),
    }),
  )
  // A folder that was named is shared by whoever names it; a bucket has one Grove at a time, and the next one goes on.
  const { folder } = config.certs
  const vault = stack.use(
    await openVault({
      env,
      folder: folder ?? join(layout.certs, 'vault'),
      remote: holdings.objects.isRemote && folder === undefined ? holdings.objects : undefined,
      keyring: holdings.keyring,
      log,
    }),
  )
  const tickets = await openTickets({ vault, environment: env, log })
  const ca = await openOwnCa(layout.certs, { now, names: ownNames(config, registry.domains.all()) })
  const serves = (name: string) => registry.siteAt(name) !== undefined
  return {
    layout,
    env,
    store,
    ...holdings,
    outstanding,
    registry,
    keys: await openKeys(layout.keys, { maxSessionMs: maxSessionMs(config), tickets, now }),
    revocations: await openRevocations(store, store.root, { now }),
    usageLog: stack.use(await UsageLog.open(store)),
    bags,
    secrets,
    output,
    ending,
    vault,
    ca,
    constraining: createTurnstile({ most: limits.control.turns, what: 'changes of the names of the own CA' }),
    leaves: openLeaves({ ca, folder: join(layout.certs, 'leaves'), serves, log, now }),
  }
}

/** The longest that a session under a config lasts, in milliseconds. */
export function maxSessionMs({ sessions }: Config): number {
  return sessions.maxAgeSeconds * 1000
}
