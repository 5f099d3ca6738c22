/**
 * Upkeep in the background: after a publish, versions that the config does not keep any more are forgotten and a site's
 * segments are merged; once a day, and an hour after a start, objects that have long had no use are removed: a grove that
 * is started anew each day would else never come to it.
 *
 * One site at a time, and after a pause, so that many publishes in a row are one prune and none of them waits for it.
 */

import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import type { Keep } from '../store/versions/versions.ts'
import type { Publisher } from './publish.ts'

/** What upkeep acts on. */
export interface UpkeepOptions {
  readonly publisher: Pick<Publisher, 'prune'>
  /** Which versions the config keeps. */
  readonly keep: () => Keep
  /** Removes objects that have long had no use. */
  readonly collect: (signal: AbortSignal) => Promise<unknown>
  readonly log: Logger
  /** @default limits.control.pruneAfterMs */
  readonly pruneAfterMs?: number
  /** @default limits.control.collectEveryMs */
  readonly collectEveryMs?: number
  /** @default an hour */
  readonly collectFirstMs?: number
}

/** How long after a start objects are collected first: nothing else is to wait for that. */
const firstMs = 3_600_000

/** The upkeep of one host. Disposing of it stops it; what is left undone is done after the next publish or start. */
export class Upkeep implements AsyncDisposable {
  readonly #options: UpkeepOptions
  readonly #ended = new AbortController()
  /** Sites that were published to: at most as many as there are. */
  readonly #due = new Set<SiteName>()
  readonly #running: Promise<unknown>[]
  #wake = Promise.withResolvers<void>()

  constructor(options: UpkeepOptions) {
    this.#options = options
    this.#running = [this.#pruneAll(), this.#collectAll()]
  }

  /** Says that a site was published to. */
  published(name: SiteName): void {
    this.#due.add(name)
    this.#wake.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    this.#wake.resolve()
    await Promise.all(this.#running)
  }

  async #pruneAll(): Promise<void> {
    const { publisher, keep, log, pruneAfterMs = limits.control.pruneAfterMs } = this.#options
    while (!this.#ended.signal.aborted) {
      await this.#wake.promise
      this.#wake = Promise.withResolvers()
      if (!(await this.#waited(pruneAfterMs))) return
      for (const name of [...this.#due]) {
        this.#due.delete(name)
        if (this.#ended.signal.aborted) return
        // A site that was deleted meanwhile, or a bucket that is away: the next publish tries again.
        await publisher
          .prune(name, keep())
          .catch((error: unknown) => log.warn({ err: error, site: name }, 'not pruned'))
      }
    }
  }

  async #collectAll(): Promise<void> {
    const { collect, log, collectEveryMs = limits.control.collectEveryMs } = this.#options
    const { collectFirstMs = Math.min(firstMs, collectEveryMs) } = this.#options
    for (let waitMs = collectFirstMs; await this.#waited(waitMs); waitMs = collectEveryMs) {
      try {
        log.debug({ result: await collect(this.#ended.signal) }, 'objects without use collected')
      } catch (error) {
        if (!this.#ended.signal.aborted) log.warn({ err: error }, 'objects without use cannot be collected')
      }
    }
  }

  /** Waits; answers false when upkeep has ended. */
  async #waited(ms: number): Promise<boolean> {
    const { signal } = this.#ended
    await pause(ms, undefined, { signal, ref: false }).catch(() => undefined)
    return !signal.aborted
  }
}
