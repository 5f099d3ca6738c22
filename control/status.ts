/** All that `grove status` shows. */

import type { Status } from '../core/admin-api.ts'
import type { ProcessInfo } from '../core/messages.ts'
import type { Certificates } from './certificates.ts'
import { listenSpecs } from './front-settings.ts'
import type { FrontLinks } from './fronts.ts'
import type { Outboxes } from './outboxes.ts'
import type { Generation } from './reload.ts'
import type { Sandboxes, SandboxesState } from './sandboxes.ts'
import type { SiteViews } from './site-views.ts'

/** What a status is made from. */
export interface StatusOptions {
  readonly generation: Generation
  readonly startedAtMs: number
  readonly processes: readonly ProcessInfo[]
  readonly fronts: Pick<FrontLinks, 'stats' | 'behind'>
  readonly views: SiteViews
  readonly certificates: Pick<Certificates, 'counts'>
  readonly sandboxes: Pick<Sandboxes, 'state'>
}

/** The state of everything, with counters of the fronts that answer within a second. */
export async function statusOf(options: StatusOptions): Promise<Status> {
  const { generation, startedAtMs, processes, fronts, views, certificates, sandboxes } = options
  const { loaded, number, plugins, outboxes, ports } = generation
  const { config, file } = loaded
  return {
    data: config.data,
    ...(file !== undefined && { config: file }),
    generation: number,
    startedAtMs,
    processes: [...processes],
    fronts: (await fronts.stats()).sort((a, b) => a.pid - b.pid),
    sites: await views.summaries(),
    siteCount: views.count,
    plugins: plugins.plugins.map(({ name }) => name),
    outbox: [...publishesIn(outboxes, fronts.behind), ...usageIn(outboxes)],
    listen: listenSpecs(config).map(({ name, port }) => ({ name, port: ports[name] ?? port })),
    certificates: certificates.counts(),
    sandboxes: sandboxesIn(config.sandbox.enabled, await sandboxes.state()),
  }
}

function sandboxesIn(enabled: boolean, { capabilities, status }: SandboxesState): Status['sandboxes'] {
  return {
    enabled,
    running: status !== undefined,
    capabilities: [...(status?.capabilities ?? capabilities)],
    processes: status?.processes ?? [],
    quarantined: status?.quarantined ?? [],
  }
}

function publishesIn({ published }: Outboxes, behind: string | undefined): Status['outbox'] {
  return published.pending().map(({ plugin, site, versions, attempts, error }) => {
    // What has not failed may be waiting for a front.
    const reason = error ?? behind
    return { plugin, site, versions: [...versions], attempts, ...(reason !== undefined && { error: reason }) }
  })
}

function usageIn({ metered }: Outboxes): Status['outbox'] {
  return metered.pending().map(({ plugin, fromMs, attempts, error }) => {
    return { plugin, usageFromMs: fromMs, versions: [], attempts, ...(error !== undefined && { error }) }
  })
}
