/**
 * The outbox: tells plugins of publishes, at least once, in order for each site, until they confirm.
 *
 * It is durable by construction. The log of versions is the list of what is to be told, and the receipts in a site's
 * events say how far each plugin has come: nothing has to be copied, so nothing can be lost between two logs. A
 * delivery takes everything after the cursor as one event, waits until that is in force on every front and no older
 * answer is under way (else a cache that is purged could fill itself with what is old), and calls the plugin.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { z } from 'zod'
import { toGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SiteName, VersionNumber } from '../core/names.ts'
import type { Plugin, PublishEvent } from '../core/plugin.ts'
import { createTurnstile } from '../core/turnstile.ts'
import { justBefore } from '../store/logs/timestamp.ts'
import type { Ts } from '../store/store.ts'
import { coalesce } from './coalesce.ts'
import type { Site, SiteRegistry } from './site-registry.ts'
import { retryWaitMs, waitAtMost, within } from './within.ts'

/** What an outbox is made with. */
export interface OutboxOptions {
  readonly registry: Pick<SiteRegistry, 'all' | 'info'>
  /** Those with a `published` hook are told. */
  readonly plugins: readonly Plugin[]
  /** Resolves when what the log says of a site is in force on every front that runs. */
  readonly inForce: (name: SiteName, signal: AbortSignal) => Promise<void>
  /** Resolves when no front has an older answer of the site under way; rejects when that is not sure. */
  readonly settle: (name: SiteName) => Promise<void>
  readonly log: Logger
  readonly now: () => number
  /** How long a plugin may take, in milliseconds. @default limits.plugin.publishedTimeoutMs */
  readonly publishedMs?: number
}

/** A delivery that is not confirmed yet. */
export interface PendingDelivery {
  readonly plugin: string
  readonly site: SiteName
  readonly versions: readonly VersionNumber[]
  /** Calls that failed since the last one that did not. */
  readonly attempts: number
  readonly error: string | undefined
}

interface Delivery {
  readonly plugin: Plugin & { readonly published: NonNullable<Plugin['published']> }
  readonly site: Site
  /** What the changes made live that were outstanding when last looked; undefined for the end of the site. */
  versions: (VersionNumber | undefined)[]
  /** What came since. */
  readonly poked: Set<VersionNumber | undefined>
  again: boolean
  attempts: number
  error: string | undefined
}

const receiptSchema = z.object({ action: z.string(), details: z.record(z.string(), z.unknown()).optional() })

/** Deliveries to one set of plugins; a reload makes a new outbox. */
export class Outbox implements AsyncDisposable {
  readonly #options: OutboxOptions
  readonly #ended = new AbortController()
  readonly #calls = createTurnstile({
    parallel: limits.outbox.parallel,
    most: limits.outbox.inLine,
    what: 'deliveries to plugins',
  })
  /** Keyed by plugin and site. Only what has something to deliver is here. */
  readonly #deliveries = new Map<string, Delivery>()
  readonly #running = new Set<Promise<void>>()
  readonly #started = Promise.withResolvers<void>()
  #confirmed = Promise.withResolvers<void>()

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** Begins to deliver, first what earlier processes left undelivered. */
  start(): void {
    this.#started.resolve()
    for (const site of this.#options.registry.all())
      for (const plugin of this.#options.plugins) if (hasPublished(plugin)) this.#deliver(plugin, site)
  }

  /**
   * Says that a site has changed. `version` is what became live, undefined when the site was deleted. Before
   * {@link start} it is only noted.
   */
  poke(site: Site, version?: VersionNumber): void {
    if (this.#ended.signal.aborted) return
    for (const plugin of this.#options.plugins) if (hasPublished(plugin)) this.#deliver(plugin, site).poked.add(version)
  }

  /** Names of plugins that are told of publishes. */
  get plugins(): string[] {
    return this.#options.plugins.filter(hasPublished).map(({ name }) => name)
  }

  /**
   * The last change of a site that every plugin has confirmed: what came later has to stay readable. Undefined when
   * nobody is told of changes.
   */
  toldUpto({ versions, events }: Site): Ts | undefined {
    const [oldest] = versions.versions
    if (!oldest || this.plugins.length === 0) return undefined
    const cursors = this.plugins.map((plugin) => events.cursor(plugin) ?? justBefore(oldest.ts))
    return cursors.reduce((least, cursor) => (cursor < least ? cursor : least))
  }

  /** Deliveries that are not confirmed, those of a site or all. */
  pending(name?: SiteName): PendingDelivery[] {
    return [...this.#deliveries.values()]
      .filter(({ site }) => name === undefined || site.name === name)
      .filter(({ versions, poked }) => versions.length > 0 || poked.size > 0)
      .map(({ plugin, site, versions, poked, attempts, error }) => ({
        plugin: plugin.name,
        site: site.name,
        versions: [...new Set([...versions, ...poked])].filter((version) => version !== undefined),
        attempts,
        error,
      }))
  }

  /** Resolves when every plugin has confirmed a version. Rejects when `signal` aborts. */
  async confirmed(name: SiteName, version: VersionNumber, signal: AbortSignal): Promise<void> {
    const aborted = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    })
    aborted.catch(() => undefined) // It may abort when nobody waits any more.
    while (this.pending(name).some(({ versions }) => versions.includes(version))) {
      signal.throwIfAborted()
      await Promise.race([this.#confirmed.promise, aborted])
    }
  }

  /** Begins no more deliveries and gives those under way a moment to be confirmed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    this.#started.resolve()
    await waitAtMost(limits.outbox.stopMs, this.#running)
    this.#announce()
  }

  /** Has what is after the cursor delivered, by the delivery that runs or by a new one. */
  #deliver(plugin: Delivery['plugin'], site: Site): Delivery {
    const key = `${plugin.name}/${site.name}`
    const known = this.#deliveries.get(key)
    const delivery = known ?? {
      plugin,
      site,
      versions: [],
      poked: new Set(),
      again: true,
      attempts: 0,
      error: undefined,
    }
    delivery.again = true
    if (known) return known
    this.#deliveries.set(key, delivery)
    const done = this.#deliverAll(key, delivery).finally(() => this.#running.delete(done))
    this.#running.add(done)
    return delivery
  }

  async #deliverAll(key: string, delivery: Delivery): Promise<void> {
    await this.#started.promise
    while (!this.#ended.signal.aborted && delivery.again) {
      try {
        await this.#deliverNext(delivery)
      } catch (thrown) {
        if (this.#ended.signal.aborted) break
        await this.#failed(delivery, thrown)
      }
    }
    this.#deliveries.delete(key)
    this.#announce()
  }

  /** Delivers what is after the cursor. Leaves `again` true when there may be more. */
  async #deliverNext(delivery: Delivery): Promise<void> {
    const { plugin, site } = delivery
    delivery.again = false
    // What was noted stays pending while the log is read; what is noted from now on may not be among what it says.
    delivery.versions = [...delivery.versions, ...delivery.poked]
    delivery.poked.clear()
    const after = site.events.cursor(plugin.name)
    const outstanding = await site.versions.changes(after)
    delivery.versions = outstanding.map(({ version }) => version)
    const changes = outstanding.slice(0, limits.outbox.changesPerEvent)
    const upto = changes.at(-1)?.ts
    if (upto === undefined) return
    const signal = this.#ended.signal
    await this.#options.inForce(site.name, signal)
    const event = coalesce({ plugin: plugin.name, site: this.#options.registry.info(site.name), after, changes })
    const receipt = await this.#calls.run(async () => {
      await this.#options.settle(site.name)
      return this.#call(plugin, event)
    }, signal)
    const atMs = this.#options.now()
    await site.events.addReceipt({ plugin: plugin.name, upto, versions: event.versions, atMs, ...receipt })
    delivery.versions = outstanding.slice(changes.length).map(({ version }) => version)
    delivery.attempts = 0
    delivery.error = undefined
    delivery.again = true
    this.#announce()
  }

  async #call(plugin: Delivery['plugin'], event: PublishEvent): Promise<z.output<typeof receiptSchema>> {
    const timeoutMs = this.#options.publishedMs ?? limits.plugin.publishedTimeoutMs
    const told = Promise.try(() => plugin.published(event))
    return this.#checkReceipt(plugin, await within(told, timeoutMs, `plugin "${plugin.name}" did not confirm`))
  }

  /** What can be kept of a receipt. The work is done, so a receipt of a wrong shape must not lead to a retry. */
  #checkReceipt(plugin: Plugin, answer: unknown): z.output<typeof receiptSchema> {
    const receipt = receiptSchema.safeParse(answer)
    if (receipt.success && Buffer.byteLength(JSON.stringify(receipt.data)) <= limits.outbox.receiptBytes)
      return receipt.data
    this.#options.log.warn({ plugin: plugin.name }, 'receipt is too large or has not the shape of one, kept in part')
    return { action: receipt.success ? receipt.data.action.slice(0, 100) : 'done' }
  }

  async #failed(delivery: Delivery, thrown: unknown): Promise<void> {
    const error = toGroveError(thrown)
    delivery.again = true
    delivery.attempts += 1
    delivery.error = error.message.slice(0, limits.outbox.errorChars)
    const waitMs = retryWaitMs(delivery.attempts)
    const facts = { plugin: delivery.plugin.name, site: delivery.site.name, attempts: delivery.attempts, waitMs }
    this.#options.log.warn({ err: error, ...facts }, 'plugin did not take a publish, tried again later')
    await sleep(waitMs, undefined, { signal: this.#ended.signal }).catch(() => undefined)
  }

  #announce(): void {
    this.#confirmed.resolve()
    this.#confirmed = Promise.withResolvers()
  }
}

function hasPublished(plugin: Plugin): plugin is Delivery['plugin'] {
  return plugin.published !== undefined
}
