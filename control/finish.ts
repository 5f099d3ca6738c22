/** When nothing is outstanding of a site any more, and what is done about the others at a start. */

import type { Logger } from 'pino'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { Activator } from './activate.ts'
import type { Outbox } from './outbox.ts'
import type { Outstanding } from './outstanding.ts'
import type { SiteRegistry } from './site-registry.ts'

/** What is looked at. */
export interface FinishOptions {
  readonly registry: Pick<SiteRegistry, 'hold' | 'serves'>
  readonly outstanding: Pick<Outstanding, 'sites' | 'begun' | 'end'>
  readonly outbox: () => Pick<Outbox, 'isTold'>
}

/**
 * Ends what is outstanding of a site if its live version is known to be live on every front and all plugins know of all
 * that happened to it. Answers whether it is so.
 */
export async function finish(name: SiteName, { registry, outstanding, outbox }: FinishOptions): Promise<boolean> {
  if (!outstanding.sites.has(name)) return true
  const begun = outstanding.begun(name)
  using site = await registry.hold(name)
  const { live } = site.versions
  const isEverywhere = !live || !registry.serves(name) || site.events.lastLive === live.version
  if (!isEverywhere || !(await outbox().isTold(site))) return false
  outstanding.end(name, begun)
  return !outstanding.sites.has(name)
}

/** Brings to all fronts what earlier processes left half done. Never rejects; what cannot be done is tried again later. */
export async function resume(
  options: FinishOptions & {
    readonly activator: Pick<Activator, 'request'>
    readonly log: Logger
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { outstanding, activator, log, signal } = options
  await forEachParallel([...outstanding.sites], limits.control.compileParallel, async (site) => {
    if (signal.aborted) return
    try {
      if (!(await finish(site, options))) await activator.request(site)
    } catch (error) {
      if (!signal.aborted) log.error({ err: error, site }, 'live version cannot be put in force')
    }
  })
}
