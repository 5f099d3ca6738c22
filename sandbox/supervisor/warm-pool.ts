/**
 * Processes that have started and wait for a site, so that nobody waits for a start. Each has links with the fronts that
 * ran when it was started; when other fronts run, others take its place.
 */

import type { Logger } from 'pino'
import { GroveError, toGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import { isKill } from './process-end.ts'
import type { TenantProcess } from './tenant-process.ts'

/** What a pool is made with. */
export interface WarmPoolOptions {
  /** Starts a process with links to all fronts; it need not be ready. */
  readonly start: () => Promise<TenantProcess>
  /** Whether a process has links with all fronts. */
  readonly isCurrent: (process: TenantProcess) => boolean
  /** Whether there is room for a spare one. */
  readonly hasRoom: () => boolean
  /** How many wait. */
  readonly spares: number
  readonly log: Logger
}

/** Processes that wait for a site. */
export interface WarmPool {
  /** Processes that have been asked for and not started yet. */
  readonly pending: number
  /** Whether one waits, ready or about to be. */
  readonly hasSpare: boolean
  /** Resolves when the next of those that are pending has been started, or could not be. For when there are some. */
  untilStarted(): Promise<void>
  /** Gives one that is ready. Rejects with `ERR_SANDBOX_BUSY` when none can be started. */
  take(): Promise<TenantProcess>
  /** Brings it in line with the fronts, soon. */
  refresh(): void
  /** Forgets a process that is over. */
  drop(process: TenantProcess): void
  close(): void
}

/** A pool in which nothing waits yet; `refresh` begins to fill it. */
export function createWarmPool(options: WarmPoolOptions): WarmPool {
  const { starting, waiting, firstBackOffMs, longestBackOffMs, refreshMs } = limits.sandboxProcess
  const turnstile = createTurnstile({ parallel: starting, most: waiting, what: 'processes that are to start' })
  const spares = new Set<TenantProcess>()
  let pending = 0
  let started: PromiseWithResolvers<void> | undefined
  let failures = 0
  let timer: NodeJS.Timeout | undefined
  let isFilling = false
  let isClosed = false

  async function start(keep: boolean): Promise<TenantProcess> {
    pending += 1
    let isCounted = true
    const uncount = () => {
      if (!isCounted) return
      isCounted = false
      pending -= 1
      started?.resolve()
      started = undefined
    }
    try {
      return await turnstile.run(async () => {
        let process: TenantProcess | undefined
        try {
          process = await options.start()
          uncount() // From here on it counts as a process.
          if (keep) spares.add(process)
          await process.ready
        } catch (error) {
          // One that was ended in order says nothing about the next.
          if (!process?.end || isKill(process.end)) failures += 1
          throw error
        }
        failures = 0
        return process
      })
    } finally {
      uncount()
    }
  }

  /** Starts spares one after the other until there are enough. */
  async function fill(): Promise<void> {
    if (isFilling || isClosed) return
    isFilling = true
    try {
      for (const process of spares)
        if (!options.isCurrent(process)) {
          spares.delete(process)
          process.stop({ reason: 'drained', detail: 'other fronts run now' })
        }
      while (!isClosed && spares.size < options.spares && options.hasRoom()) await start(true)
    } catch (error) {
      if (failures > 0 && !isClosed)
        options.log.warn({ err: toGroveError(error), failures }, 'a spare sandbox did not start')
      later(Math.min(firstBackOffMs * 2 ** failures, longestBackOffMs))
    } finally {
      isFilling = false
    }
  }

  function later(ms: number): void {
    clearTimeout(timer)
    if (!isClosed) timer = setTimeout(() => void fill(), ms)
  }

  /** A spare that has links with all fronts, a ready one first. */
  function find(): TenantProcess | undefined {
    const fit = [...spares].filter((process) => !process.end && options.isCurrent(process))
    return fit.find((process) => process.isReady) ?? fit[0]
  }

  return {
    get pending() {
      return pending
    },
    get hasSpare() {
      return find() !== undefined
    },
    untilStarted() {
      started ??= Promise.withResolvers<void>()
      return started.promise
    },
    async take() {
      const spare = find()
      if (spare) spares.delete(spare)
      later(refreshMs)
      try {
        const process = spare ?? (await start(false))
        await process.ready
        return process
      } catch (error) {
        const { message } = toGroveError(error)
        throw new GroveError('ERR_SANDBOX_BUSY', `a process for the site's code cannot be started: ${message}`, {
          cause: error,
          details: { retryAfterMs: limits.sandboxProcess.busyRetryMs },
        })
      }
    },
    refresh: () => later(refreshMs),
    drop: (process) => {
      if (spares.delete(process)) later(Math.min(firstBackOffMs * 2 ** failures, longestBackOffMs))
    },
    close() {
      isClosed = true
      clearTimeout(timer)
      spares.clear()
    },
  }
}
