/** What sites use, as it is counted, kept and told to plugins that meter. */

import { z } from 'zod'
import { limits } from './limits.ts'
import type { SiteName } from './names.ts'

/** What one site used in about one minute. Each request is in exactly one of these: the one in whose time it ended. */
export interface Usage {
  readonly site: SiteName
  /** When counting began, in milliseconds since 1970. */
  readonly fromMs: number
  /**
   * When counting ended. Longer after the beginning than a minute when control was away. Fronts are asked one by one,
   * so times of two batches may overlap by moments.
   */
  readonly toMs: number
  /** Requests that were answered, and WebSockets that ended. The sum of {@link answered}. */
  readonly requests: number
  /** Requests by who answered. */
  readonly answered: {
    readonly static: number
    readonly upstream: number
    readonly plugin: number
    readonly error: number
  }
  /** Bytes of answers' bodies as they were sent, compressed or not, and all that went out through WebSockets. */
  readonly sentBytes: number
  /** Bytes of requests' bodies that were read; nothing of WebSockets. */
  readonly receivedBytes: number
}

const count = z.int().nonnegative()

const usageSchema = z.object({
  site: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
  requests: count,
  answered: z.object({ static: count, upstream: count, plugin: count, error: count }),
  sentBytes: count,
  receivedBytes: count,
})

/** Usage of several sites, each once. */
export const usageListSchema: z.ZodType<Usage[]> = z.array(usageSchema).max(limits.usage.sites)

/** Usage of one site from two places, in one. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    site: a.site,
    fromMs: Math.min(a.fromMs, b.fromMs),
    toMs: Math.max(a.toMs, b.toMs),
    requests: a.requests + b.requests,
    answered: {
      static: a.answered.static + b.answered.static,
      upstream: a.answered.upstream + b.answered.upstream,
      plugin: a.answered.plugin + b.answered.plugin,
      error: a.answered.error + b.answered.error,
    },
    sentBytes: a.sentBytes + b.sentBytes,
    receivedBytes: a.receivedBytes + b.receivedBytes,
  }
}
