/** The fronts of a running control: what they are told, and who does what they ask for. */

import type { Logger } from 'pino'
import type { Activator } from './activate.ts'
import type { Challenges } from './challenges.ts'
import { createFrontAsks } from './front-asks.ts'
import { frontStateOf } from './front-state.ts'
import { FrontLinks } from './fronts.ts'
import type { HostParts } from './host-parts.ts'
import type { LocalContents } from './local-contents.ts'
import type { Meter } from './meter.ts'
import type { Generation } from './reload.ts'
import type { SiteCertificates } from './site-certificates.ts'
import { siteStateOf } from './site-state.ts'

/** Parts of control, each asked for when it is needed: some of them need the fronts themselves. */
export interface StateFrontsOptions {
  readonly host: HostParts
  readonly contents: LocalContents
  readonly current: () => Generation
  readonly activator: () => Activator
  readonly challenges: () => Challenges
  readonly certificates: () => SiteCertificates
  readonly meter: () => Meter | undefined
  readonly log: Logger
}

/** Makes the line to the fronts, which does not listen yet. */
export function createStateFronts(options: StateFrontsOptions): FrontLinks {
  const { host, contents, current, activator, log } = options
  const { registry, layout } = host
  return new FrontLinks({
    socket: layout.frontSocket,
    state: (loaded) => {
      const challenges = options.challenges().current()
      return frontStateOf({ generation: current(), host, activator: activator(), loaded, challenges })
    },
    ready: (name) => activator().ready(name),
    site: (name) =>
      registry.serves(name)
        ? siteStateOf(current().loaded.config, registry.domains, name, activator().told(name))
        : undefined,
    mend: (name) => activator().mend(name),
    asked: createFrontAsks({
      certificate: ({ name, address = '' }) => options.certificates().leaf(name, address),
      usage: async (usage) => options.meter()?.give(usage),
      content: (wanted) => contents.bring(wanted),
      copy: (copy) => activator().copyLost(copy),
      log,
    }),
    log,
  })
}
