/** Room for one more process: which one ends when there are as many as there may be. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { TenantProcess } from './tenant-process.ts'

/** There is no process for a site now; coming again helps. */
export function busy(message: string): GroveError {
  return new GroveError('ERR_SANDBOX_BUSY', message, { details: { retryAfterMs: limits.sandboxProcess.busyRetryMs } })
}

/**
 * The process that can end for another: of those that have nothing under way and were not used for `quietMs` the one that
 * is not needed any more, or else the one that was not used for longest. Undefined if there is none.
 */
export function findVictim(processes: Iterable<TenantProcess>, quietMs: number): TenantProcess | undefined {
  const nowMs = performance.now()
  const rank = ({ drainUntilMs, usedAtMs }: TenantProcess) => (drainUntilMs === undefined ? usedAtMs : -1)
  let victim: TenantProcess | undefined
  for (const process of processes) {
    const isIdle = process.site !== undefined && !process.end && !process.isBusy && nowMs - process.usedAtMs > quietMs
    if (isIdle && (!victim || rank(process) < rank(victim))) victim = process
  }
  return victim
}

/** Resolves when a process is gone. Rejects with `ERR_SANDBOX_BUSY` when that takes too long. */
export async function untilGone(process: TenantProcess): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(busy('a process is slow to end')), limits.sandboxProcess.releaseMs)
  })
  try {
    await Promise.race([process.gone, late])
  } finally {
    clearTimeout(timer)
  }
}
