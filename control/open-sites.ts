/**
 * What is open of sites (their versions, their bags): so much is kept that those in use need not be read again, and the
 * one that was used longest ago is closed for the next. What somebody holds is never closed.
 */

import { GroveError } from '../core/errors.ts'
import type { SiteName } from '../core/names.ts'

/** What open sites are made with. */
export interface OpenSitesOptions<T extends AsyncDisposable> {
  readonly open: (name: SiteName) => Promise<T>
  /** How many stay open that nobody holds; those that are held come on top. With `weightOf`: what they weigh together. */
  readonly most: number
  /** What one weighs, asked whenever somebody is done with it. Default: each is 1. */
  readonly weightOf?: (site: T) => number
  /** A site could not be closed; it is forgotten all the same. */
  readonly failed: (name: SiteName, error: unknown) => void
}

/** Something that is held until it is disposed of. */
export interface Held<T> extends Disposable {
  readonly value: T
}

interface Entry<T> {
  readonly opening: Promise<T>
  holds: number
  weight: number
  /** Whether it is closed once nobody holds it: the next who comes opens it anew. */
  isForgotten: boolean
}

/** Opens sites when they are wanted. Disposing of it closes all. */
export class OpenSites<T extends AsyncDisposable> implements AsyncDisposable {
  readonly #options: OpenSitesOptions<T>
  /** Keyed by site, that which was used longest ago first. */
  readonly #entries = new Map<SiteName, Entry<T>>()
  /** Keyed by site: nobody opens one again before it is closed. */
  readonly #closing = new Map<SiteName, Promise<void>>()
  #ended = false

  constructor(options: OpenSitesOptions<T>) {
    this.#options = options
  }

  /** How many are open or being opened. */
  get size(): number {
    return this.#entries.size
  }

  /** Opens a site, or takes the open one, and holds it. Rejects with what opening fails with, and `ERR_CLOSED` at the end. */
  async hold(name: SiteName): Promise<Held<T>> {
    if (this.#ended) throw new GroveError('ERR_CLOSED', 'control is stopping')
    const known = this.#entries.get(name)
    const entry = known ?? { opening: this.#open(name), holds: 0, weight: 1, isForgotten: false }
    entry.holds += 1
    this.#entries.delete(name)
    this.#entries.set(name, entry)
    try {
      const value = await entry.opening
      return { value, [Symbol.dispose]: once(() => this.#release(name, entry, value)) }
    } catch (error) {
      if (this.#entries.get(name) === entry) this.#entries.delete(name)
      throw error
    }
  }

  /** Has a site opened anew by whoever comes next. Those who hold it keep what they have. */
  forget(name: SiteName): void {
    const entry = this.#entries.get(name)
    if (!entry) return
    this.#entries.delete(name)
    entry.isForgotten = true
    if (entry.holds === 0) this.#close(name, entry)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true
    for (const [name, entry] of this.#entries) this.#close(name, entry)
    this.#entries.clear()
    await Promise.all(this.#closing.values())
  }

  async #open(name: SiteName): Promise<T> {
    await this.#closing.get(name)
    return this.#options.open(name)
  }

  #release(name: SiteName, entry: Entry<T>, value: T): void {
    entry.holds -= 1
    entry.weight = this.#options.weightOf?.(value) ?? 1
    if (!entry.isForgotten) this.#shrink()
    else if (entry.holds === 0) this.#close(name, entry)
  }

  #shrink(): void {
    let weight = 0
    for (const entry of this.#entries.values()) weight += entry.weight
    for (const [name, entry] of this.#entries) {
      if (weight <= this.#options.most) return
      if (entry.holds > 0) continue
      weight -= entry.weight
      this.#entries.delete(name)
      this.#close(name, entry)
    }
  }

  #close(name: SiteName, { opening }: Entry<T>): void {
    const closed = opening
      .then((site) => site[Symbol.asyncDispose]())
      .catch((error: unknown) => this.#options.failed(name, error))
      .finally(() => this.#closing.delete(name))
    this.#closing.set(name, closed)
  }
}

function once(work: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    work()
  }
}
