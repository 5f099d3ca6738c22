/** The outboxes of one config: what its plugins are told, and until they confirm it. */

import type { Logger } from 'pino'
import type { Config } from '../core/config.ts'
import type { SiteName } from '../core/names.ts'
import type { Activator } from './activate.ts'
import type { FrontLinks } from './fronts.ts'
import type { HostParts } from './host-parts.ts'
import { Outbox } from './outbox.ts'
import { UsageOutbox } from './usage-outbox.ts'

/** What outboxes are made with. */
export interface OutboxesOptions {
  readonly host: Pick<HostParts, 'registry' | 'outstanding' | 'usageLog'>
  readonly activator: Pick<Activator, 'inForce'>
  readonly fronts: Pick<FrontLinks, 'settle'>
  /** Told when a plugin knows all of a site. */
  readonly told: (name: SiteName) => void
  readonly log: Logger
  readonly now: () => number
}

/** One outbox for each kind of thing that plugins are told. A reload makes new ones. */
export interface Outboxes extends AsyncDisposable {
  /** Of publishes. */
  readonly published: Outbox
  /** Of usage. */
  readonly metered: UsageOutbox
  /** Begins to deliver. */
  start(): void
}

/** The outboxes for the plugins of a config. They deliver nothing before they are started. */
export function createOutboxes({ plugins }: Config, options: OutboxesOptions): Outboxes {
  const { host, activator, fronts, told, log, now } = options
  const published = new Outbox({
    registry: host.registry,
    outstanding: host.outstanding,
    plugins,
    inForce: (name, signal) => activator.inForce(name, signal),
    settle: (name) => fronts.settle(name),
    told,
    log,
    now,
  })
  const metered = new UsageOutbox({ usageLog: host.usageLog, plugins, log })
  return {
    published,
    metered,
    start() {
      published.start()
      metered.start()
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([published[Symbol.asyncDispose](), metered[Symbol.asyncDispose]()])
    },
  }
}
