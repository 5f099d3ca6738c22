/**
 * A bag: a site's small data, as keys and values in a log of its own. What is in it is kept in memory while it is open;
 * each change is one entry, durable when it is acknowledged, in the order in which they were asked for. A change can
 * depend on what is there (`ifTag`), checked and written in one step.
 *
 * The log is short: once it has grown far beyond what the bag holds, one entry with everything takes its place.
 */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import { coverLog } from '../logs/cover-log.ts'
import { openOwnLog } from '../logs/own-log.ts'
import type { Handle, Log, Store, Ts } from '../store.ts'
import { type BagEntry, type BagItem, decodeBagEntry, encodeBagEntry } from './bag-entry.ts'
import { BagItems, type KeyPage, weigh } from './bag-items.ts'

/** What a bag is opened with. */
export interface BagOptions {
  readonly store: Store
  /** Has the rights to read and write the log, and to make it. */
  readonly handle: Handle
  /** The log. It is made when the first change is. */
  readonly path: string
  /** The wall clock, in milliseconds since the epoch: what it says decides what has expired. */
  readonly now: () => number
  /** A log that tells of changes, each in the transaction of the change. `noteOf` answers what it says; undefined: nothing. */
  readonly audit?: { readonly path: string; readonly noteOf: (entry: BagEntry) => object | undefined }
}

/** A value to put. */
export interface BagPut extends Omit<BagItem, 'tag'> {
  /** Only if the value there has this tag; null: only if there is none. Undefined: whatever there is. */
  readonly ifTag?: string | null | undefined
}

/** What became of a change. `tag`: of what is there now; undefined if nothing is. */
export interface BagChange {
  readonly done: boolean
  readonly tag: string | undefined
}

/** An open bag. */
export interface Bag extends AsyncDisposable {
  /** Of all keys, values and metadata. */
  readonly bytes: number
  readonly size: number
  get(key: string): BagItem | undefined
  list(range: { readonly prefix: string; readonly after?: string | undefined; readonly limit: number }): KeyPage
  /**
   * Puts a value. Throws `ERR_TOO_LARGE` for a key, a value or metadata over its bound, `ERR_TOO_MANY` where the bag
   * would hold too much or too many changes wait, and what {@link Log.write} throws; after such an error from the disk
   * the bag has to be opened anew.
   */
  put(key: string, put: BagPut): Promise<BagChange>
  /** Takes a value away; done also where there was none. Throws like {@link Bag.put}. */
  delete(key: string, options?: { readonly ifTag?: string | undefined }): Promise<BagChange>
  /** Takes everything away. */
  clear(): Promise<void>
}

const bounds = limits.bag

/** Opens a bag and reads what it holds. Throws what reading its log throws, `ERR_DATA_FORMAT` for what is none. */
export async function openBag(options: BagOptions): Promise<Bag> {
  const log = await openOwnLog(options.store, options.handle, options.path, { serialized: true })
  try {
    const items = new BagItems()
    const kept: Kept = { head: undefined, entries: 0, bytes: 0 }
    for await (const { ts, data } of log.read()) {
      apply(items, decodeBagEntry(data, options.path), ts)
      note(kept, ts, data)
    }
    return new LoggedBag(options, log, items, kept)
  } catch (error) {
    await log.close()
    throw error
  }
}

/** What the log has. */
interface Kept {
  head: Ts | undefined
  entries: number
  bytes: number
}

function note(kept: Kept, ts: Ts, { length }: Uint8Array): void {
  kept.head = ts
  kept.entries += 1
  kept.bytes += length
}

function apply(items: BagItems, entry: BagEntry, ts: Ts): void {
  switch (entry.kind) {
    case 'put':
      items.set(entry.key, { tag: ts, ...entry.item })
      break
    case 'delete':
      items.delete(entry.key)
      break
    case 'all':
      items.clear()
      for (const [key, item] of entry.items) items.set(key, item)
  }
}

class LoggedBag implements Bag {
  readonly #options: BagOptions
  readonly #log: Log
  readonly #items: BagItems
  readonly #turns = createTurnstile({ most: bounds.waiting, what: 'changes of one bag' })
  readonly #kept: Kept
  #audit: Log | undefined

  constructor(options: BagOptions, log: Log, items: BagItems, kept: Kept) {
    this.#options = options
    this.#log = log
    this.#items = items
    this.#kept = kept
  }

  get bytes(): number {
    return this.#items.bytes
  }

  get size(): number {
    return this.#items.size
  }

  get(key: string): BagItem | undefined {
    return this.#items.get(key, this.#options.now())
  }

  list(range: { readonly prefix: string; readonly after?: string | undefined; readonly limit: number }): KeyPage {
    return this.#items.list(range, this.#options.now())
  }

  put(key: string, { ifTag, ...item }: BagPut): Promise<BagChange> {
    return this.#turns.run(async () => {
      checkSizes(key, item)
      const there = this.get(key)
      if (ifTag !== undefined && there?.tag !== (ifTag ?? undefined)) return { done: false, tag: there?.tag }
      this.#requireRoom(key, item)
      const ts = await this.#write({ kind: 'put', key, item })
      await this.#shorten()
      return { done: true, tag: ts }
    })
  }

  delete(key: string, { ifTag }: { readonly ifTag?: string | undefined } = {}): Promise<BagChange> {
    return this.#turns.run(async () => {
      const there = this.get(key)
      if (ifTag !== undefined && there?.tag !== ifTag) return { done: false, tag: there?.tag }
      if (this.#items.stored(key)) {
        await this.#write({ kind: 'delete', key })
        await this.#shorten()
      }
      return { done: true, tag: undefined }
    })
  }

  clear(): Promise<void> {
    return this.#turns.run(async () => {
      if (this.#items.size > 0) await this.#write({ kind: 'all', items: [] })
      await this.#cover()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#audit?.close()
    await this.#log.close()
  }

  /** What has expired makes room before anything is refused. */
  #requireRoom(key: string, item: Omit<BagItem, 'tag'>): void {
    const fits = () => {
      const before = this.#items.stored(key)
      const bytes = this.#items.bytes - (before ? weigh(key, before) : 0) + weigh(key, item)
      return bytes <= bounds.totalBytes && this.#items.size + (before ? 0 : 1) <= bounds.keys
    }
    if (fits()) return
    this.#items.expire(this.#options.now())
    if (fits()) return
    const { size, bytes } = this.#items
    throw new GroveError(
      'ERR_TOO_MANY',
      `${this.#options.path} is full: ${size} of ${bounds.keys} keys and ${bytes} of ${bounds.totalBytes} bytes`,
      { hint: 'delete keys, or give them an end', details: { keys: size, bytes } },
    )
  }

  /** The one place where the bag changes: first the log, then what is in memory. */
  async #write(entry: BagEntry): Promise<Ts> {
    const data = encodeBagEntry(entry)
    const ts = await this.#append(data, entry)
    note(this.#kept, ts, data)
    apply(this.#items, entry, ts)
    return ts
  }

  async #append(data: Uint8Array, entry: BagEntry): Promise<Ts> {
    const { store, handle, audit } = this.#options
    const expected = { expect: this.#kept.head }
    const told = audit?.noteOf(entry)
    if (!audit || !told) return this.#log.write(data, expected)
    this.#audit ??= await openOwnLog(store, handle, audit.path)
    const transaction = await store.begin(this.#log, this.#audit)
    transaction.write(this.#log, data, expected)
    transaction.write(this.#audit, Buffer.from(JSON.stringify(told)))
    return transaction.commit()
  }

  async #shorten(): Promise<void> {
    const { entries, bytes } = this.#kept
    const tooMany = entries > this.#items.size * 2 + bounds.spareEntries
    const tooLong = bytes > this.#items.bytes * 2 + bounds.spareBytes
    if (tooMany || tooLong) await this.#cover()
  }

  async #cover(): Promise<void> {
    const { head } = this.#kept
    if (head === undefined) return
    this.#items.expire(this.#options.now())
    const data = encodeBagEntry({ kind: 'all', items: this.#items.entries() })
    const ts = await coverLog(this.#options.store, this.#log, head, data, { expect: head })
    Object.assign(this.#kept, { head: ts ?? head, entries: 1, bytes: data.length })
  }
}

function checkSizes(key: string, { value, metadata }: Omit<BagItem, 'tag'>): void {
  requireFits('the key', Buffer.byteLength(key), bounds.keyBytes)
  requireFits('the value', value.length, bounds.valueBytes)
  requireFits('the metadata', Buffer.byteLength(metadata ?? ''), bounds.metadataBytes)
}

function requireFits(what: string, bytes: number, most: number): void {
  if (bytes > most) throw new GroveError('ERR_TOO_LARGE', `${what} has ${bytes} bytes, and at most ${most} are kept`)
}
