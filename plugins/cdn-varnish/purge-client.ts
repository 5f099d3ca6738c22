/** Speaks with one Varnish: PURGE of a URL, PURGE by tags, every answer checked. */

import { Pool } from 'undici'
import { GroveError, toGroveError } from '../../core/errors.ts'
import type { Authority } from '../../core/names.ts'
import { forEachParallel } from '../../core/parallel.ts'
import { type PurgePlan, packTags } from './purge-plan.ts'

/** Below Varnish's default of 8 KiB for one header. */
const maxTagBytes = 4_000

/** Purges under way at once, each on its own connection, which is used again and again. */
const parallel = 8

/** What one pass over a Varnish did. */
export interface PurgeCounts {
  /** URLs that were purged. */
  readonly urls: number
  /** Tags that were purged. */
  readonly tags: number
  /** Objects that went because of tags, where the VCL tells it. */
  readonly objects: number
}

/** What {@link purgeVarnish} needs besides the plan. */
export interface PurgeOptions {
  /** Sent as Host with a purge by tags. */
  readonly authority: Authority
  /** Longest wait for a connection, and for an answer, in milliseconds. */
  readonly timeoutMs: number
}

/**
 * Purges all of a plan from the Varnish at `origin`. Resolves when every purge was answered with 2xx; otherwise
 * throws `ERR_PLUGIN` that names the Varnish and what it answered. Safe to repeat.
 */
export async function purgeVarnish(origin: string, plan: PurgePlan, options: PurgeOptions): Promise<PurgeCounts> {
  const { authority, timeoutMs } = options
  const pool = new Pool(origin, {
    connections: parallel,
    connect: { timeout: timeoutMs },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
  })
  let objects = 0
  const purge = async (target: string, headers: Readonly<Record<string, string>>) => {
    const answer = await pool.request({ method: 'PURGE', path: target, headers }).catch((error: unknown) => {
      const reason = toGroveError(error).message
      throw new GroveError('ERR_PLUGIN', `varnish at ${origin} cannot be reached: ${reason}`, { cause: error })
    })
    await answer.body.dump()
    if (answer.statusCode < 200 || answer.statusCode > 299) throw refusedError(origin, answer.statusCode)
    objects += Number(answer.headers['purged']) || 0
  }
  try {
    await forEachParallel(packTags(plan.tags, maxTagBytes), parallel, (xkey) => purge('/', { host: authority, xkey }))
    await forEachParallel(plan.urls, parallel, (url) => purge(url.target, { host: url.authority }))
  } finally {
    // After a fault the others are not waited for: they are repeated anyway.
    await pool.destroy()
  }
  return { urls: plan.urls.length, tags: plan.tags.length, objects }
}

function refusedError(origin: string, status: number): GroveError {
  const hints: Readonly<Record<number, string>> = {
    403: 'allow the address of this machine in the list of purgers of its VCL',
    405: 'its VCL does not know PURGE; see plugins/cdn-varnish/grove.vcl',
  }
  const hint = hints[status]
  return new GroveError('ERR_PLUGIN', `varnish at ${origin} answered ${status} to a purge, expected 200`, {
    details: { origin, status },
    ...(hint !== undefined && { hint }),
  })
}
