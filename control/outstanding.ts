/**
 * Sites of which something is outstanding: a change that is not live on every front yet, or that some plugin has not
 * confirmed. After a start these, and only these, have to be looked into, whatever the number of sites.
 *
 * A log holds their names. A name is durable before the site's own log changes, so none can be missing from it; that a
 * name is in it without need costs a look. Names are taken out when the log is merged, now and then.
 */

import { z } from 'zod'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import { createTurnstile } from '../core/turnstile.ts'
import { coverLog } from '../store/logs/cover-log.ts'
import { openOwnLog } from '../store/logs/own-log.ts'
import type { Log, Store } from '../store/store.ts'

const outstandingLog = '/outstanding'

/** All entries count: names of `sites` are added, and the last `plugins` is the one that holds. */
const entrySchema = z.strictObject({ sites: z.array(z.string()).optional(), plugins: z.array(z.string()).optional() })

type Entry = z.output<typeof entrySchema>

/** Names of sites of which something is outstanding, and of plugins that know all others. */
export class Outstanding implements AsyncDisposable {
  readonly #store: Store
  readonly #log: Log
  readonly #sites = new Set<SiteName>()
  /** Those that the log has for sure. */
  #durable: Set<SiteName>
  readonly #writing = new Map<SiteName, Promise<void>>()
  /** How many changes of a site are under way. */
  readonly #changing = new Map<SiteName, number>()
  /** How many changes of an outstanding site have begun. */
  readonly #begun = new Map<SiteName, number>()
  readonly #turns = createTurnstile({ most: limits.control.turns, what: 'changes of what is outstanding' })
  #plugins: ReadonlySet<string>
  #entries: number

  private constructor(store: Store, log: Log, entries: readonly Entry[]) {
    this.#store = store
    this.#log = log
    this.#entries = entries.length
    for (const { sites = [] } of entries) for (const name of sites) this.#sites.add(name)
    this.#durable = new Set(this.#sites)
    this.#plugins = new Set(entries.findLast(({ plugins }) => plugins)?.plugins)
  }

  /** Opens the log, and makes it the first time. Throws `ERR_DATA_FORMAT` for an entry of another kind. */
  static async open(store: Store): Promise<Outstanding> {
    const log = await openOwnLog(store, store.root, outstandingLog)
    const entries: Entry[] = []
    for await (const { data } of log.read()) entries.push(decode(data))
    return new Outstanding(store, log, entries)
  }

  /** Sites of which something is outstanding, or may be. */
  get sites(): ReadonlySet<SiteName> {
    return this.#sites
  }

  /** Plugins that have been told of all sites but those in {@link sites}. */
  get plugins(): ReadonlySet<string> {
    return this.#plugins
  }

  /** Runs a change of a site. From before it until {@link end} the site is outstanding, over any crash. */
  async during<T>(name: SiteName, change: () => Promise<T>): Promise<T> {
    this.#changing.set(name, (this.#changing.get(name) ?? 0) + 1)
    this.#begun.set(name, this.begun(name) + 1)
    try {
      await this.#begin(name)
      return await change()
    } finally {
      const others = (this.#changing.get(name) ?? 0) - 1
      if (others === 0) this.#changing.delete(name)
      else this.#changing.set(name, others)
    }
  }

  /** Counts the changes of a site that have begun since it became outstanding. */
  begun(name: SiteName): number {
    return this.#begun.get(name) ?? 0
  }

  /**
   * Says that nothing is outstanding of a site, as was found since `begun` was taken. Where another change has begun
   * since then, or is under way, it is not believed.
   */
  end(name: SiteName, begun: number): void {
    if (this.#changing.has(name) || this.begun(name) !== begun) return
    this.#sites.delete(name)
    this.#begun.delete(name)
  }

  /** Keeps which plugins have been told of everything. Durable when it resolves. */
  async setPlugins(names: Iterable<string>): Promise<void> {
    const plugins = new Set(names)
    if (plugins.size === this.#plugins.size && plugins.isSubsetOf(this.#plugins)) return
    await this.#turns.run(async () => {
      await this.#append({ plugins: [...plugins] })
      this.#plugins = plugins
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#log.close()
  }

  async #begin(name: SiteName): Promise<void> {
    this.#sites.add(name)
    if (this.#durable.has(name)) return
    const same = this.#writing.get(name)
    if (same) return same
    const writing = this.#append({ sites: [name] })
      .then(() => void this.#durable.add(name))
      .finally(() => this.#writing.delete(name))
    this.#writing.set(name, writing)
    await writing
    if (this.#entries > Math.max(limits.control.outstandingEntries, this.#sites.size)) this.#merge()
  }

  async #append(entry: Entry): Promise<void> {
    await this.#log.write(Buffer.from(JSON.stringify(entry)))
    this.#entries += 1
  }

  /** In the background: when it fails, the next one tries again. */
  #merge(): void {
    this.#entries = 0
    void this.#turns
      .run(async () => {
        const upto = await this.#log.head()
        if (upto === undefined) return
        const sites = [...this.#sites]
        // From here on a name that is not among these is written again: the entry that had it is about to go.
        this.#durable = new Set(sites)
        await coverLog(
          this.#store,
          this.#log,
          upto,
          Buffer.from(JSON.stringify({ sites, plugins: [...this.#plugins] })),
        )
      })
      .catch(() => undefined)
  }
}

function decode(data: Uint8Array): Entry {
  try {
    return entrySchema.parse(JSON.parse(Buffer.from(data).toString('utf8')))
  } catch (error) {
    throw new GroveError('ERR_DATA_FORMAT', `${outstandingLog} has an entry that names no sites`, { cause: error })
  }
}
