/**
 * Usage as it is kept: a log of batches, and beside it how far each plugin has confirmed.
 *
 * Both are logs of the store, so a batch that was appended is told after any crash, and one that was confirmed is not
 * told again. As long as the store forgets nothing, both grow: a line for each site that was used, each minute.
 */

import { z } from 'zod'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { setNewest } from '../core/newest.ts'
import { createTurnstile } from '../core/turnstile.ts'
import { type Usage, usageListSchema } from '../core/usage.ts'
import { openOwnLog } from '../store/logs/own-log.ts'
import { justBefore } from '../store/logs/timestamp.ts'
import type { Log, Store, Ts } from '../store/store.ts'

/** What was used in about one minute, as plugins are told it. */
export interface UsageBatch {
  /** When it was appended: unique, and in the order of time. */
  readonly id: Ts
  readonly usage: readonly Usage[]
}

/** Keyed by plugin: the last batch that it has confirmed; `null` stands for none yet. */
const cursorsSchema = z.record(z.string(), z.string().nullable())

/** The batches of one store, and the cursors of plugins. */
export class UsageLog implements AsyncDisposable {
  readonly #batches: Log
  readonly #delivered: Log
  /** Each cursor is written with all the others, so one change follows another. */
  readonly #cursorTurns = createTurnstile({ most: limits.control.turns, what: 'cursors of usage to be kept' })
  #cursors: ReadonlyMap<string, Ts | undefined>

  private constructor(batches: Log, delivered: Log, cursors: ReadonlyMap<string, Ts | undefined>) {
    this.#batches = batches
    this.#delivered = delivered
    this.#cursors = cursors
  }

  /** Opens the logs, and makes them the first time. Throws `ERR_DATA_FORMAT` when the cursors cannot be read. */
  static async open(store: Store): Promise<UsageLog> {
    const batches = await openOwnLog(store, store.root, '/usage')
    const delivered = await openOwnLog(store, store.root, '/usage/delivered')
    return new UsageLog(batches, delivered, await readCursors(delivered))
  }

  /** Keeps a batch. Durable when it resolves. */
  async append(usage: readonly Usage[]): Promise<void> {
    await this.#batches.write(Buffer.from(JSON.stringify(usage)))
  }

  /** Has a plugin begin with what is appended from now on, unless it began before. */
  begin(plugin: string): Promise<void> {
    return this.#cursorTurns.run(async () => {
      if (!this.#cursors.has(plugin)) await this.#setCursor(plugin, await this.#batches.head())
    })
  }

  /** Batches that a plugin has not confirmed, oldest first. Throws `ERR_DATA_FORMAT` at one that is none. */
  async *unconfirmed(plugin: string): AsyncGenerator<UsageBatch> {
    const after = this.#cursors.get(plugin)
    for await (const { ts, data } of this.#batches.read(after === undefined ? {} : { after }))
      yield { id: ts, usage: decode(usageListSchema, data, this.#batches.path) }
  }

  /** Keeps that a plugin has confirmed everything up to a batch. Durable when it resolves. */
  confirm(plugin: string, upto: Ts): Promise<void> {
    return this.#cursorTurns.run(() => this.#setCursor(plugin, upto))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#batches.close()
    await this.#delivered.close()
  }

  /** The newest entry holds all cursors, so that nothing else has to be read at a start. Only in a turn. */
  async #setCursor(plugin: string, upto: Ts | undefined): Promise<void> {
    const cursors = new Map(this.#cursors)
    // Plugins that nobody has any more: those whose last word is the longest ago go first.
    setNewest(cursors, plugin, upto, limits.usage.cursors)
    const entry = Object.fromEntries([...cursors].map(([name, ts]) => [name, ts ?? null]))
    await this.#delivered.write(Buffer.from(JSON.stringify(entry)))
    this.#cursors = cursors
  }
}

async function readCursors(log: Log): Promise<ReadonlyMap<string, Ts | undefined>> {
  const head = await log.head()
  if (head === undefined) return new Map()
  for await (const { data } of log.read({ after: justBefore(head), upto: head })) {
    const cursors = Object.entries(decode(cursorsSchema, data, log.path))
    return new Map(cursors.map(([plugin, ts]) => [plugin, (ts ?? undefined) as Ts | undefined]))
  }
  return new Map()
}

function decode<T>(schema: z.ZodType<T>, data: Uint8Array, path: string): T {
  try {
    return schema.parse(JSON.parse(Buffer.from(data).toString('utf8')))
  } catch (error) {
    throw new GroveError('ERR_DATA_FORMAT', `${path} has an entry that does not belong there`, { cause: error })
  }
}
