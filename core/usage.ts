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
  /** What the site's own code used in that time; absent where it used nothing. */
  readonly code?: CodeUsage | undefined
}

/** What the code of one site used. */
export interface CodeUsage {
  readonly cpuMs: number
  /** The largest resident size of any of its processes. */
  readonly memoryPeakBytes: number
  /** Requests that it was handed. They are also among those of the site. */
  readonly requests: number
  /** Requests that it made: `fetch`. */
  readonly subrequests: number
  /** Bytes of bodies from visitors and to them. */
  readonly receivedBytes: number
  readonly sentBytes: number
  /** Bytes of subrequests' bodies to servers and from them. */
  readonly egressBytes: number
  readonly ingressBytes: number
  /** How often a process of it was ended because of a limit, or crashed. */
  readonly kills: number
}

const count = z.int().nonnegative()

const codeSchema: z.ZodType<CodeUsage> = z.object({
  cpuMs: z.number().nonnegative(),
  memoryPeakBytes: z.number().nonnegative(),
  requests: count,
  subrequests: count,
  receivedBytes: count,
  sentBytes: count,
  egressBytes: count,
  ingressBytes: count,
  kills: count,
})

const usageSchema = z.object({
  site: z.string(),
  fromMs: z.number(),
  toMs: z.number(),
  requests: count,
  answered: z.object({ static: count, upstream: count, plugin: count, error: count }),
  sentBytes: count,
  receivedBytes: count,
  code: codeSchema.optional(),
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
    ...((a.code || b.code) && { code: addCode(a.code, b.code) }),
  }
}

/** Usage of a site in which nothing was counted. */
export function emptyUsage(site: SiteName, fromMs: number, toMs: number): Usage {
  const answered = { static: 0, upstream: 0, plugin: 0, error: 0 }
  return { site, fromMs, toMs, requests: 0, answered, sentBytes: 0, receivedBytes: 0 }
}

function addCode(a: CodeUsage | undefined, b: CodeUsage | undefined): CodeUsage | undefined {
  if (!a || !b) return a ?? b
  return {
    cpuMs: a.cpuMs + b.cpuMs,
    memoryPeakBytes: Math.max(a.memoryPeakBytes, b.memoryPeakBytes),
    requests: a.requests + b.requests,
    subrequests: a.subrequests + b.subrequests,
    receivedBytes: a.receivedBytes + b.receivedBytes,
    sentBytes: a.sentBytes + b.sentBytes,
    egressBytes: a.egressBytes + b.egressBytes,
    ingressBytes: a.ingressBytes + b.ingressBytes,
    kills: a.kills + b.kills,
  }
}
