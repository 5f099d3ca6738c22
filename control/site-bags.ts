/**
 * The bags of all sites: opened when their code asks, kept open as long as there is room, closed by when they were used
 * last. Control is the only one that writes them.
 */

import type { Logger } from 'pino'
import { isGroveError } from '../core/errors.ts'
import { siteOwner } from '../core/grant-api.ts'
import { limits } from '../core/limits.ts'
import type { SiteName } from '../core/names.ts'
import type { DataAnswer, DataCall } from '../core/sandbox-messages.ts'
import { type Bag, openBag } from '../store/bags/bag.ts'
import type { Store } from '../store/store.ts'
import { OpenSites } from './open-sites.ts'

/** What bags are kept with. */
export interface SiteBagsOptions {
  readonly store: Store
  /** The wall clock, in milliseconds since the epoch. */
  readonly now: () => number
  readonly log: Logger
  /** What open bags hold together, in bytes, beside those in use. @default limits.bag.openBytes */
  readonly openBytes?: number
}

/** What site code is answered; the value goes along where the answer says that it has a body. */
export interface DataReply {
  readonly answer: DataAnswer
  readonly value?: Uint8Array
}

/** The bags of one store's sites. */
export class SiteBags implements AsyncDisposable {
  readonly #options: SiteBagsOptions
  readonly #open: OpenSites<Bag>

  constructor(options: SiteBagsOptions) {
    this.#options = options
    const { store, now, log, openBytes } = options
    this.#open = new OpenSites({
      open: (site) => openBag({ store, handle: store.root, path: pathOf(site), now }),
      most: openBytes ?? limits.bag.openBytes,
      weightOf: ({ bytes, size }) => bytes + size * limits.bag.keyOverheadBytes + limits.bag.overheadBytes,
      failed: (site, error) => log.warn({ err: error, site }, 'bag could not be closed'),
    })
  }

  /** How many bags are open. */
  get size(): number {
    return this.#open.size
  }

  /**
   * Does what a site's code asks of its bag. Throws what {@link Bag.put} throws. A bag that somebody else has written to,
   * which only happens when control was replaced, is read anew and asked once more.
   */
  async answer(site: SiteName, call: DataCall, value: Uint8Array = new Uint8Array()): Promise<DataReply> {
    try {
      return await this.#use(site, (bag) => answerFrom(bag, call, value))
    } catch (error) {
      if (!isGroveError(error, 'ERR_CONFLICT')) throw error
      return await this.#use(site, (bag) => answerFrom(bag, call, value))
    }
  }

  /** Empties the bag of a site: it is deleted, and whoever makes one of its name finds nothing of it. */
  async clear(site: SiteName): Promise<void> {
    const paths = await this.#options.store.list(this.#options.store.root, pathOf(site))
    if (paths.includes(pathOf(site))) await this.#use(site, (bag) => bag.clear())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#open[Symbol.asyncDispose]()
  }

  async #use<T>(site: SiteName, work: (bag: Bag) => Promise<T>): Promise<T> {
    using held = await this.#open.hold(site)
    try {
      return await work(held.value)
    } catch (error) {
      // After anything but a refusal, what is in memory may not be what is on the disk.
      if (!isRefusal(error)) this.#open.forget(site)
      throw error
    }
  }
}

function pathOf(site: SiteName): string {
  return `/sites/${siteOwner}/${site}/data`
}

function isRefusal(error: unknown): boolean {
  return isGroveError(error, 'ERR_TOO_LARGE') || isGroveError(error, 'ERR_TOO_MANY')
}

async function answerFrom(bag: Bag, call: DataCall, value: Uint8Array): Promise<DataReply> {
  switch (call.method) {
    case 'get': {
      const item = bag.get(call.key)
      if (!item) return { answer: { found: false, hasBody: false } }
      const { tag, metadata } = item
      return { answer: { found: true, tag, metadata, hasBody: true }, value: item.value }
    }
    case 'put': {
      const { key, ifTag, metadata, expiresAtMs } = call
      const change = await bag.put(key, { value, ifTag, metadata, expiresAtMs })
      return { answer: { ...change, hasBody: false } }
    }
    case 'delete': {
      const change = await bag.delete(call.key, { ifTag: call.ifTag })
      return { answer: { ...change, hasBody: false } }
    }
    case 'list': {
      const { keys, after } = bag.list(call)
      return { answer: { keys: [...keys], after, hasBody: false } }
    }
  }
}
