/** Requests for a site that is not loaded: they wait for it, for a bounded time. */

import type { Logger } from 'pino'
import type { Exchange } from '../core/exchange.ts'
import { answerError, describeFailure } from './error-page.ts'
import type { SiteRuntime } from './site-runtime.ts'
import type { SiteTable } from './site-table.ts'

/** When a client may ask again for a site that could not be loaded in time, in seconds. */
const retryAfter = ['retry-after', '2']

/**
 * Loads the site that an exchange is for and hands it to `serve`. Answers 421 for an authority of nobody, and 503 when
 * the site cannot be had in time. Never rejects.
 */
export async function whenLoaded(
  exchange: Exchange,
  sites: Pick<SiteTable, 'nameAt' | 'load' | 'at'>,
  serve: (site: SiteRuntime) => void,
  log: Logger,
): Promise<void> {
  const name = sites.nameAt(exchange.authority)
  if (name === undefined) {
    answerError(exchange, 421)
    return
  }
  const { signal } = exchange
  let failure: unknown
  await sites.load(name).catch((error: unknown) => {
    failure = error
  })
  if (signal.aborted) return
  const site = sites.at(exchange.authority)
  if (!site) {
    // It was taken away while its visitor waited, or could not be had, or was let go of at once.
    if (sites.nameAt(exchange.authority) === undefined) answerError(exchange, 421)
    else answerError(exchange, 503, { headers: retryAfter, error: describeFailure(failure ?? 'site was let go of') })
    return
  }
  if (exchange.note) exchange.note.version = site.table?.version
  try {
    serve(site)
  } catch (error) {
    log.error({ err: error, request: exchange.id }, 'request failed')
    answerError(exchange, 500, { error: describeFailure(error) })
  }
}
