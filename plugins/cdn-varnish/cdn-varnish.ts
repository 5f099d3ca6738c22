/**
 * Varnish in front of Grove: pages stay in it until they change, and are purged when they do.
 *
 * Static answers carry tags and a lifetime that is meant for the cache alone (CDN-Cache-Control, RFC 9213), so that
 * browsers go on asking. After a publish exactly what changed is purged, twice: an answer of the version before may
 * have been on its way to Varnish while the first purge ran, and would be kept. The second one takes it out.
 *
 * It works with the VCL beside it, grove.vcl. What it cannot do: purge what a Varnish that is not in `urls` holds.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { GroveError, toGroveError } from '../../core/errors.ts'
import type { FileInfo, Plugin, PublishEvent, Receipt, SiteInfo } from '../../core/plugin.ts'
import { lazyOptions } from '../../core/plugin-options.ts'
import { isNotFoundPage, notFoundTag, pathTag, siteTag } from './cache-tags.ts'
import { type PurgeCounts, purgeVarnish } from './purge-client.ts'
import { type PurgePlan, planPurge } from './purge-plan.ts'

const varnishUrl = z.string().refine((text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url !== undefined && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href
}, 'the URL of a Varnish without a path, such as http://127.0.0.1:6081')

const optionsSchema = z.strictObject({
  /** Every Varnish that stands before this Grove, by the address at which it takes purges. */
  urls: z.array(varnishUrl).min(1).max(64),
  /** How long Varnish keeps a page that is never purged, in seconds. Default: a day. */
  maxAgeSeconds: z.int().min(0).max(31_536_000).default(86_400),
  /**
   * Time until the second purge, in milliseconds: longer than an answer may be under way from Grove to Varnish.
   * Default: 1,000.
   */
  reboundMs: z.int().min(0).max(30_000).default(1_000),
  /**
   * Whether the VCL purges by tags. Without them a page that was asked for with a query, or in an unusual spelling,
   * stays in the cache for its `maxAgeSeconds`, and pages for what is not there are not cached.
   */
  xkey: z.boolean().default(true),
  /** Longest wait for a connection, and for an answer, in milliseconds. Default: 5,000. */
  timeoutMs: z.int().min(10).max(30_000).default(5_000),
  /** How the time until the second purge passes, for tests. */
  wait: z
    .custom<(ms: number) => Promise<unknown>>((value) => typeof value === 'function', 'a function')
    .default(() => (ms: number) => sleep(ms)),
})

/** What {@link cdnVarnish} takes. */
export type CdnVarnishOptions = z.input<typeof optionsSchema>

/**
 * Most URLs that are purged one by one when tags cover them too: they are there for answers that carry no tag, and
 * many of them would take longer than an event may.
 */
const maxUrlsBesideTags = 10_000

/** A plugin `cdn-varnish`. Its options are checked when the config is read. */
export function cdnVarnish(options: CdnVarnishOptions): Plugin {
  const parsed = lazyOptions(optionsSchema, options)
  return {
    name: 'cdn-varnish',
    schema: optionsSchema,
    options,

    headers(file: FileInfo, site: SiteInfo) {
      const { xkey, maxAgeSeconds } = parsed()
      const isForAnyPath = isNotFoundPage(file.path)
      if (!xkey) return ['cdn-cache-control', isForAnyPath ? 'no-store' : `max-age=${maxAgeSeconds}`]
      const tags = [siteTag(site.name), pathTag(site.name, file.path)]
      if (isForAnyPath) tags.push(notFoundTag(site.name))
      return ['xkey', tags.join(' '), 'cdn-cache-control', `max-age=${maxAgeSeconds}`]
    },

    async published(event: PublishEvent): Promise<Receipt> {
      const { urls: origins, reboundMs, xkey, timeoutMs, wait } = parsed()
      const whole = planPurge(event)
      const plan: PurgePlan = {
        urls: xkey && whole.urls.length > maxUrlsBesideTags ? [] : whole.urls,
        tags: xkey ? whole.tags : [],
      }
      const authority = event.site.authorities[0] ?? 'localhost'
      const pass = () => purgeAll(origins, (origin) => purgeVarnish(origin, plan, { authority, timeoutMs }))
      const isEmpty = plan.urls.length === 0 && plan.tags.length === 0
      const first = isEmpty ? [] : await pass()
      if (!isEmpty) await wait(reboundMs)
      const second = isEmpty ? [] : await pass()
      return {
        action: 'purged',
        details: {
          varnishes: origins.length,
          urls: plan.urls.length,
          tags: plan.tags.length,
          objects: sumObjects(first) + sumObjects(second),
        },
      }
    },
  }
}

/** Purges every Varnish, also when one of them fails, and then tells of all that failed. */
async function purgeAll(
  origins: readonly string[],
  purge: (origin: string) => Promise<PurgeCounts>,
): Promise<PurgeCounts[]> {
  const results = await Promise.allSettled(origins.map(purge))
  const faults = results.flatMap((result) => (result.status === 'rejected' ? [toGroveError(result.reason)] : []))
  const [first, ...others] = faults
  if (first && others.length === 0) throw first
  if (first) {
    const message = faults.map((fault) => fault.message).join('; ')
    const hint = faults.find((fault) => fault.hint !== undefined)?.hint
    throw new GroveError('ERR_PLUGIN', message, { cause: first, ...(hint !== undefined && { hint }) })
  }
  return results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
}

function sumObjects(counts: readonly PurgeCounts[]): number {
  return counts.reduce((sum, { objects }) => sum + objects, 0)
}
