/**
 * What sites use of this front: counted in memory as requests end, until control takes the counts.
 *
 * A front writes nothing, so the counts of one that dies are lost: what ended since control last took them, a minute
 * while control is there. A front that ends in order gives its last counts away itself.
 */

import type { ExchangeNote, Outcome } from '../core/exchange.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import type { Usage } from '../core/usage.ts'

interface Counts {
  static: number
  upstream: number
  plugin: number
  error: number
  sentBytes: number
  receivedBytes: number
}

/** Counts of all sites of a front. */
export class UsageCounter {
  readonly #now: () => number
  #counts = new Map<SiteName, Counts>()
  #fromMs: number

  /** `now`: milliseconds since 1970. */
  constructor(now: () => number = Date.now) {
    this.#now = now
    this.#fromMs = now()
  }

  /** Counts a request that has ended. One that came to no site is nobody's. Allocates nothing but a site's first time. */
  count(note: ExchangeNote | undefined, outcome: Outcome): void {
    if (note?.site === undefined) return
    const counts = this.#counts.get(note.site) ?? this.#begin(note.site)
    if (!counts) return
    counts[note.how] += 1
    counts.sentBytes += outcome.bodyBytes
    counts.receivedBytes += outcome.receivedBytes
  }

  /** All that was counted since it was last taken, one element for each site that was used. Counting begins anew. */
  take(): Usage[] {
    const fromMs = this.#fromMs
    const toMs = Math.max(fromMs, this.#now())
    const taken = [...this.#counts].map(
      ([site, { static: files, upstream, plugin, error, sentBytes, receivedBytes }]) => ({
        site,
        fromMs,
        toMs,
        requests: files + upstream + plugin + error,
        answered: { static: files, upstream, plugin, error },
        sentBytes,
        receivedBytes,
      }),
    )
    this.#counts = new Map()
    this.#fromMs = toMs
    return taken
  }

  /** Undefined when there are too many: sites that came and went while control did not ask. */
  #begin(site: SiteName): Counts | undefined {
    if (this.#counts.size >= limits.usage.sites) return undefined
    const counts: Counts = { static: 0, upstream: 0, plugin: 0, error: 0, sentBytes: 0, receivedBytes: 0 }
    this.#counts.set(site, counts)
    return counts
  }
}
