/**
 * The outbox of usage: tells plugins that meter each batch, at least once, in order, until they confirm.
 *
 * It is durable because the log of batches and the cursors in it are; here lies only what is under way. One plugin that
 * fails holds up no other.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { toGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Plugin } from '../core/plugin.ts'
import type { UsageLog } from './usage-log.ts'
import { retryWaitMs, waitAtMost, within } from './within.ts'

/** What an outbox of usage is made with. */
export interface UsageOutboxOptions {
  readonly usageLog: UsageLog
  /** Those with a `metered` hook are told. */
  readonly plugins: readonly Plugin[]
  readonly log: Logger
  /** How long a plugin may take for one batch, in milliseconds. @default limits.usage.meteredTimeoutMs */
  readonly meteredMs?: number
}

/** Usage that a plugin has not confirmed yet. */
export interface PendingUsage {
  readonly plugin: string
  /** When the oldest of it began to be counted, in milliseconds since 1970. */
  readonly fromMs: number
  /** Calls that failed since the last one that did not. */
  readonly attempts: number
  readonly error: string | undefined
}

interface Delivery {
  readonly plugin: Plugin & { readonly metered: NonNullable<Plugin['metered']> }
  /** Of the oldest batch that is not confirmed; undefined when there is none. */
  fromMs: number | undefined
  /** There may be more in the log than when it was last read. */
  again: boolean
  running: Promise<void> | undefined
  attempts: number
  error: string | undefined
}

/** Deliveries to one set of plugins; a reload makes a new outbox. */
export class UsageOutbox implements AsyncDisposable {
  readonly #options: UsageOutboxOptions
  readonly #ended = new AbortController()
  readonly #deliveries: readonly Delivery[]
  #started = false

  constructor(options: UsageOutboxOptions) {
    this.#options = options
    const idle = { fromMs: undefined, again: false, running: undefined, attempts: 0, error: undefined }
    this.#deliveries = options.plugins.filter(hasMetered).map((plugin) => ({ plugin, ...idle }))
  }

  /** Whether any plugin meters. */
  get isWanted(): boolean {
    return this.#deliveries.length > 0
  }

  /** Begins to deliver, first what earlier processes left undelivered. */
  start(): void {
    this.#started = true
    for (const delivery of this.#deliveries) this.#deliver(delivery)
  }

  /** Has every plugin begin before a first batch is appended, so that none begins after it. */
  async begin(): Promise<void> {
    for (const { plugin } of this.#deliveries) await this.#options.usageLog.begin(plugin.name)
  }

  /** Says that a batch was appended; `fromMs`: when it began to be counted. */
  poke(fromMs: number): void {
    for (const delivery of this.#deliveries) {
      delivery.fromMs ??= fromMs
      this.#deliver(delivery)
    }
  }

  /** What plugins have not confirmed. */
  pending(): PendingUsage[] {
    return this.#deliveries.flatMap(({ plugin, fromMs, attempts, error }) =>
      fromMs === undefined ? [] : [{ plugin: plugin.name, fromMs, attempts, error }],
    )
  }

  /** Begins no more deliveries and gives those under way a moment to be confirmed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    await waitAtMost(
      limits.outbox.stopMs,
      this.#deliveries.flatMap(({ running }) => running ?? []),
    )
  }

  /** Has what is in the log delivered, by the delivery that runs or by a new one. */
  #deliver(delivery: Delivery): void {
    delivery.again = true
    if (!this.#started || this.#ended.signal.aborted || delivery.running) return
    delivery.running = this.#deliverAll(delivery)
  }

  async #deliverAll(delivery: Delivery): Promise<void> {
    const { signal } = this.#ended
    while (delivery.again && !signal.aborted) {
      try {
        await this.#deliverLog(delivery)
      } catch (thrown) {
        if (!signal.aborted) await this.#failed(delivery, thrown)
      }
    }
    // In the same turn as the last look at `again`: whoever sets it later begins a new delivery.
    delivery.running = undefined
  }

  async #deliverLog(delivery: Delivery): Promise<void> {
    const { usageLog } = this.#options
    const { plugin } = delivery
    delivery.again = false
    await usageLog.begin(plugin.name)
    for await (const { id, usage } of usageLog.unconfirmed(plugin.name)) {
      if (this.#ended.signal.aborted) return
      delivery.fromMs = Math.min(...usage.map(({ fromMs }) => fromMs))
      const timeoutMs = this.#options.meteredMs ?? limits.usage.meteredTimeoutMs
      const told = Promise.try(() => plugin.metered(id, usage))
      await within(told, timeoutMs, `plugin "${plugin.name}" did not confirm`)
      await usageLog.confirm(plugin.name, id)
      delivery.attempts = 0
      delivery.error = undefined
    }
    // What was appended meanwhile is pending, and is read in another turn.
    if (!delivery.again) delivery.fromMs = undefined
  }

  async #failed(delivery: Delivery, thrown: unknown): Promise<void> {
    const error = toGroveError(thrown)
    delivery.again = true
    delivery.attempts += 1
    delivery.error = error.message.slice(0, limits.outbox.errorChars)
    const waitMs = retryWaitMs(delivery.attempts)
    const facts = { plugin: delivery.plugin.name, attempts: delivery.attempts, waitMs }
    this.#options.log.warn({ err: error, ...facts }, 'plugin did not take usage, tried again later')
    await sleep(waitMs, undefined, { signal: this.#ended.signal }).catch(() => undefined)
  }
}

function hasMetered(plugin: Plugin): plugin is Delivery['plugin'] {
  return plugin.metered !== undefined
}
