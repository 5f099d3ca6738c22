/**
 * Metering: takes from the fronts what sites used, each minute, and keeps it as one batch for plugins that want it.
 *
 * The batch in memory is small and short-lived: a control that dies loses what it took and had not yet kept, which is
 * the time of one write, and fronts that go on count on.
 */

import type { Logger } from 'pino'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import { addUsage, emptyUsage, type Usage } from '../core/usage.ts'
import type { FrontLinks } from './fronts.ts'
import type { Sandboxes } from './sandboxes.ts'
import type { UsageLog } from './usage-log.ts'
import type { UsageOutbox } from './usage-outbox.ts'

/** What a meter is made with. */
export interface MeterOptions {
  readonly fronts: Pick<FrontLinks, 'takeUsage'>
  /** @default there are none */
  readonly sandboxes?: Pick<Sandboxes, 'takeUsage'>
  readonly usageLog: Pick<UsageLog, 'append'>
  /** The outbox in force. */
  readonly outbox: () => Pick<UsageOutbox, 'isWanted' | 'begin' | 'poke'>
  readonly log: Logger
  /** @default limits.usage.everyMs */
  readonly everyMs?: number | undefined
}

/** Takes usage from the fronts while it is not disposed of. Keeps no process alive. */
export class Meter implements AsyncDisposable {
  readonly #options: MeterOptions
  readonly #timer: NodeJS.Timeout
  /** What is not kept yet, keyed by site. */
  #taken = new Map<SiteName, Usage>()
  #turn: Promise<void> | undefined
  #codeTakenAtMs = Date.now()

  constructor(options: MeterOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.take(), options.everyMs ?? limits.usage.everyMs).unref()
  }

  /** Takes what the fronts have counted and keeps it. One turn at a time. Never rejects: what fails is in the log. */
  take(): Promise<void> {
    this.#turn ??= this.#take().finally(() => {
      this.#turn = undefined
    })
    return this.#turn
  }

  /** Keeps what a front gives of itself, because it ends. Durable when it resolves. */
  async give(usage: readonly Usage[]): Promise<void> {
    this.#add(usage)
    await this.#keep()
  }

  /** Takes no more, and waits for the turn that runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#turn
  }

  async #take(): Promise<void> {
    const { fronts, outbox, log } = this.#options
    try {
      if (outbox().isWanted) {
        this.#add(await fronts.takeUsage())
        await this.#takeCode()
      }
      await this.#keep()
    } catch (error) {
      log.error({ err: error }, 'usage cannot be kept, tried again with the next')
    }
  }

  async #takeCode(): Promise<void> {
    const fromMs = this.#codeTakenAtMs
    const toMs = Date.now()
    this.#codeTakenAtMs = toMs
    const used = (await this.#options.sandboxes?.takeUsage()) ?? []
    this.#add(used.map(({ site, ...code }) => ({ ...emptyUsage(site, fromMs, toMs), code })))
  }

  #add(usage: readonly Usage[]): void {
    for (const more of usage) {
      const known = this.#taken.get(more.site)
      if (known || this.#taken.size < limits.usage.sites)
        this.#taken.set(more.site, known ? addUsage(known, more) : more)
    }
  }

  async #keep(): Promise<void> {
    const { usageLog, outbox } = this.#options
    const taken = this.#taken
    this.#taken = new Map()
    const batch = [...taken.values()].sort((a, b) => (a.site < b.site ? -1 : 1))
    if (batch.length === 0 || !outbox().isWanted) return
    try {
      await outbox().begin()
      await usageLog.append(batch)
    } catch (error) {
      this.#add(batch)
      throw error
    }
    outbox().poke(Math.min(...batch.map(({ fromMs }) => fromMs)))
  }
}
