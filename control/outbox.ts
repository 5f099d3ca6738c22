/**
 * The outbox: tells plugins of publishes, at least once, in order for each site, until they confirm.
 *
 * It is durable by construction. The log of versions is the list of what is to be told, and the receipts in a site's
 * events say how far each plugin has come: nothing has to be copied, so nothing can be lost between two logs. Which
 * sites have to be looked into after a start is in the log of what is outstanding; a plugin that is new to it, or was
 * away, is told of every site. A delivery takes everything after the cursor as one event, waits until that is in force
 * on every front and no older answer is under way (else a cache that is purged could fill itself with what is old), and
 * calls the plugin.
 */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { z } from 'zod'
import { toGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SiteName, VersionNumber } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { Plugin, PublishEvent } from '../core/plugin.ts'
import { createTurnstile } from '../core/turnstile.ts'
import type { Ts } from '../store/store.ts'
import { coalesce } from './coalesce.ts'
import type { Outstanding } from './outstanding.ts'
import type { Site, SiteRegistry } from './site-registry.ts'
import { isTold, neededAfter, undelivered } from './undelivered.ts'
import { retryWaitMs, waitAtMost, within } from './within.ts'

/** What an outbox is made with. */
export interface OutboxOptions {
  readonly registry: Pick<SiteRegistry, 'hold' | 'info' | 'everyName'>
  readonly outstanding: Pick<Outstanding, 'sites' | 'plugins' | 'setPlugins'>
  /** Those with a `published` hook are told. */
  readonly plugins: readonly Plugin[]
  /** Resolves when what the log says of a site is in force on every front that runs. */
  readonly inForce: (name: SiteName, signal: AbortSignal) => Promise<void>
  /** Resolves when no front has an older answer of the site under way; rejects when that is not sure. */
  readonly settle: (name: SiteName) => Promise<void>
  /** Told when a plugin knows all of a site. */
  readonly told: (name: SiteName) => void
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
  readonly site: SiteName
  /** Resolves when there is nothing left to deliver, or the outbox has ended. */
  done: Promise<void>
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
    const { outstanding, plugins } = this.#options
    this.#started.resolve()
    const fresh = plugins.filter(hasPublished).filter(({ name }) => !outstanding.plugins.has(name))
    for (const name of outstanding.sites)
      for (const plugin of plugins) if (hasPublished(plugin)) this.#deliver(plugin, name)
    const done = this.#catchUp(fresh)
      .catch((error: unknown) => {
        if (this.#ended.signal.aborted) return
        this.#options.log.error({ err: error }, 'plugins cannot be told of all sites before the next start')
      })
      .finally(() => this.#running.delete(done))
    this.#running.add(done)
  }

  /**
   * Says that a site has changed. `version` is what became live, undefined when the site was deleted. Before
   * {@link start} it is only noted.
   */
  poke(name: SiteName, version?: VersionNumber): void {
    if (this.#ended.signal.aborted) return
    for (const plugin of this.#options.plugins) if (hasPublished(plugin)) this.#deliver(plugin, name).poked.add(version)
  }

  /** Whether every plugin knows all that happened to a site. */
  async isTold(site: Site): Promise<boolean> {
    for (const plugin of this.plugins) if (!(await isTold(site, plugin))) return false
    return true
  }

  /**
   * The last change of a site that every plugin has confirmed: what came later has to stay readable. Undefined when
   * nobody is told of changes.
   */
  toldUpto(site: Site): Ts | undefined {
    return neededAfter(site, this.plugins)
  }

  /** Names of plugins that are told of publishes. */
  get plugins(): string[] {
    return this.#options.plugins.filter(hasPublished).map(({ name }) => name)
  }

  /** Deliveries that are not confirmed, those of a site or all. */
  pending(name?: SiteName): PendingDelivery[] {
    return [...this.#deliveries.values()]
      .filter(({ site }) => name === undefined || site === name)
      .filter(({ versions, poked }) => versions.length > 0 || poked.size > 0)
      .map(({ plugin, site, versions, poked, attempts, error }) => ({
        plugin: plugin.name,
        site,
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
  #deliver(plugin: Delivery['plugin'], site: SiteName): Delivery {
    const key = `${plugin.name}/${site}`
    const known = this.#deliveries.get(key)
    const delivery: Delivery = known ?? {
      plugin,
      site,
      done: Promise.resolve(),
      versions: [],
      poked: new Set(),
      again: true,
      attempts: 0,
      error: undefined,
    }
    delivery.again = true
    if (known) return known
    this.#deliveries.set(key, delivery)
    delivery.done = this.#deliverAll(key, delivery).finally(() => this.#running.delete(delivery.done))
    this.#running.add(delivery.done)
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
    if (!this.#ended.signal.aborted) this.#options.told(delivery.site)
    this.#announce()
  }

  /** Tells new plugins of all sites, a few at a time; then only of what is outstanding. */
  async #catchUp(fresh: readonly Delivery['plugin'][]): Promise<void> {
    const { outstanding, registry } = this.#options
    const known = this.plugins.filter((name) => outstanding.plugins.has(name))
    // One that left the config has missed what comes from now on.
    await outstanding.setPlugins(known)
    if (fresh.length === 0) return
    const { signal } = this.#ended
    await forEachParallel(await registry.everyName(), limits.outbox.parallel, async (name) => {
      if (!signal.aborted) await Promise.all(fresh.map((plugin) => this.#deliver(plugin, name).done))
    })
    if (!signal.aborted) await outstanding.setPlugins(this.plugins)
  }

  /** Delivers what is after the cursor. Leaves `again` true when there may be more. */
  async #deliverNext(delivery: Delivery): Promise<void> {
    const { registry } = this.#options
    const { plugin, site: name } = delivery
    delivery.again = false
    using site = await registry.hold(name)
    // What was noted stays pending while the log is read; what is noted from now on may not be among what it says.
    delivery.versions = [...delivery.versions, ...delivery.poked]
    delivery.poked.clear()
    const next = await undelivered(site, plugin.name)
    delivery.versions = next ? [...next.changes.map(({ version }) => version), ...next.later] : []
    if (next?.whole?.version !== undefined) delivery.versions.push(next.whole.version)
    if (!next) return
    const signal = this.#ended.signal
    await this.#options.inForce(name, signal)
    const event = coalesce({ plugin: plugin.name, site: registry.info(name), ...next })
    const receipt = await this.#calls.run(async () => {
      await this.#options.settle(name)
      return this.#call(plugin, event)
    }, signal)
    const { versions } = event
    const atMs = this.#options.now()
    await site.events.addReceipt({ plugin: plugin.name, upto: next.upto, versions, atMs, ...receipt })
    delivery.versions = [...next.later]
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
    const facts = { plugin: delivery.plugin.name, site: delivery.site, attempts: delivery.attempts, waitMs }
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
