/**
 * What happened to a site's versions after they were committed: live on every front, encoded, delivered to plugins.
 *
 * One log for each site beside its versions. It holds facts that people want to see and, for each plugin, how far it
 * has confirmed: that is the outbox's cursor, so a delivery is repeated after a crash and never forgotten.
 */

import { z } from 'zod'
import { GroveError } from '../core/errors.ts'
import type { SiteName, VersionNumber } from '../core/names.ts'
import { openOwnLog } from '../store/logs/own-log.ts'
import type { Log, Store, Ts } from '../store/store.ts'

const receiptSchema = z.object({
  kind: z.literal('receipt'),
  plugin: z.string(),
  /** The last change that the receipt covers: a timestamp of the versions log. */
  upto: z.string(),
  versions: z.array(z.int()),
  action: z.string(),
  atMs: z.number(),
  details: z.record(z.string(), z.unknown()).optional(),
})

const entrySchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('live'), version: z.int(), atMs: z.number() }),
  z.object({ kind: z.literal('encoded'), version: z.int(), atMs: z.number() }),
  receiptSchema,
])

type Event = z.output<typeof entrySchema>

/** A plugin's word that it has done its part for all changes up to one. */
export interface DeliveryReceipt {
  readonly plugin: string
  /** The last change that it covers. */
  readonly upto: Ts
  readonly versions: readonly VersionNumber[]
  readonly action: string
  readonly atMs: number
  readonly details?: Readonly<Record<string, unknown>> | undefined
}

/** The events of one site. */
export class SiteEvents implements AsyncDisposable {
  readonly #log: Log
  readonly #liveAtMs = new Map<VersionNumber, number>()
  readonly #encoded = new Set<VersionNumber>()
  readonly #receipts = new Map<VersionNumber, Map<string, DeliveryReceipt>>()
  readonly #cursors = new Map<string, Ts>()
  #lastLive: VersionNumber | undefined

  private constructor(log: Log) {
    this.#log = log
  }

  /** Opens the events of a site, and makes their log the first time. Throws `ERR_DATA_FORMAT` for an entry of another kind. */
  static async open(store: Store, owner: string, name: SiteName): Promise<SiteEvents> {
    const path = `/sites/${owner}/${name}/events`
    const events = new SiteEvents(await openOwnLog(store, store.root, path))
    for await (const { data } of events.#log.read()) events.#take(decode(data, path))
    return events
  }

  /** The version that was last seen live on every front. */
  get lastLive(): VersionNumber | undefined {
    return this.#lastLive
  }

  /** When a version was last put live on every front, in Unix milliseconds; undefined if that has not happened. */
  liveAtMs(version: VersionNumber): number | undefined {
    return this.#liveAtMs.get(version)
  }

  /** Whether all copies of a version's files in other codings were made. */
  isEncoded(version: VersionNumber): boolean {
    return this.#encoded.has(version)
  }

  /** The newest receipt of each plugin that covers a version, in the order in which plugins first confirmed. */
  receipts(version: VersionNumber): DeliveryReceipt[] {
    return [...(this.#receipts.get(version)?.values() ?? [])]
  }

  /** The last change that a plugin has confirmed; undefined if it has confirmed nothing yet. */
  cursor(plugin: string): Ts | undefined {
    return this.#cursors.get(plugin)
  }

  /** Keeps that a version is live on every front. Durable when it resolves. */
  markLive(version: VersionNumber, atMs: number): Promise<void> {
    return this.#append({ kind: 'live', version, atMs })
  }

  /** Keeps that all copies of a version are made. */
  async markEncoded(version: VersionNumber, atMs: number): Promise<void> {
    if (!this.#encoded.has(version)) await this.#append({ kind: 'encoded', version, atMs })
  }

  /** Keeps a receipt and with it the plugin's cursor. Durable when it resolves. */
  addReceipt(receipt: DeliveryReceipt): Promise<void> {
    return this.#append({ kind: 'receipt', ...receipt, versions: [...receipt.versions] })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log.close()
  }

  async #append(event: Event): Promise<void> {
    await this.#log.write(Buffer.from(JSON.stringify(event)))
    this.#take(event)
  }

  #take(event: Event): void {
    switch (event.kind) {
      case 'live':
        this.#liveAtMs.set(event.version, event.atMs)
        this.#lastLive = event.version
        break
      case 'encoded':
        this.#encoded.add(event.version)
        break
      case 'receipt': {
        const receipt = { ...event, upto: event.upto as Ts }
        this.#cursors.set(event.plugin, receipt.upto)
        for (const version of event.versions) {
          const byPlugin = this.#receipts.get(version) ?? new Map<string, DeliveryReceipt>()
          this.#receipts.set(version, byPlugin.set(event.plugin, receipt))
        }
      }
    }
  }
}

function decode(data: Uint8Array, path: string): Event {
  try {
    return entrySchema.parse(JSON.parse(Buffer.from(data).toString('utf8')))
  } catch (error) {
    throw new GroveError('ERR_DATA_FORMAT', `${path} has an entry that is no event of a site`, { cause: error })
  }
}
