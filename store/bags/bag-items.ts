/** What a bag holds, in memory: values by key, the keys in order, and what all of it weighs. */

import type { BagItem } from './bag-entry.ts'

/** One key of a listing. */
export interface ListedKey {
  readonly key: string
  readonly tag: string
  readonly bytes: number
  readonly metadata: string | undefined
}

/** A page of keys. `after`: where to go on, if there is more. */
export interface KeyPage {
  readonly keys: readonly ListedKey[]
  readonly after: string | undefined
}

/** The keys and values of one bag. Keys are ordered by their UTF-16 code units, as JavaScript compares strings. */
export class BagItems {
  readonly #items = new Map<string, BagItem>()
  /** The keys of `#items`, in order. */
  readonly #keys: string[] = []
  #bytes = 0

  /** Of all keys, values and metadata. */
  get bytes(): number {
    return this.#bytes
  }

  get size(): number {
    return this.#items.size
  }

  /** What is there at a moment: what has expired is not. */
  get(key: string, nowMs: number): BagItem | undefined {
    const item = this.#items.get(key)
    return item && !hasExpired(item, nowMs) ? item : undefined
  }

  /** Whatever a key has, expired or not. */
  stored(key: string): BagItem | undefined {
    return this.#items.get(key)
  }

  set(key: string, item: BagItem): void {
    const before = this.#items.get(key)
    if (before) this.#bytes -= weigh(key, before)
    else this.#keys.splice(this.#placeOf(key), 0, key)
    this.#items.set(key, item)
    this.#bytes += weigh(key, item)
  }

  delete(key: string): void {
    const before = this.#items.get(key)
    if (!before) return
    this.#bytes -= weigh(key, before)
    this.#items.delete(key)
    this.#keys.splice(this.#placeOf(key), 1)
  }

  clear(): void {
    this.#items.clear()
    this.#keys.length = 0
    this.#bytes = 0
  }

  /** Forgets what has expired. */
  expire(nowMs: number): void {
    for (const [key, item] of [...this.#items]) if (hasExpired(item, nowMs)) this.delete(key)
  }

  /** All keys and values, in order. */
  entries(): (readonly [string, BagItem])[] {
    return this.#keys.flatMap((key) => {
      const item = this.#items.get(key)
      return item ? [[key, item] as const] : []
    })
  }

  /** At most `limit` keys with a prefix, from the first after `after` on. */
  list(
    { prefix, after, limit }: { readonly prefix: string; readonly after?: string | undefined; readonly limit: number },
    nowMs: number,
  ): KeyPage {
    const keys: ListedKey[] = []
    const from = after !== undefined && after >= prefix ? this.#placeAfter(after) : this.#placeOf(prefix)
    for (let place = from; place < this.#keys.length; place += 1) {
      const key = this.#keys[place] as string
      if (!key.startsWith(prefix)) break
      const item = this.get(key, nowMs)
      if (!item) continue
      if (keys.length === limit) return { keys, after: keys.at(-1)?.key }
      keys.push({ key, tag: item.tag, bytes: item.value.length, metadata: item.metadata })
    }
    return { keys, after: undefined }
  }

  /** Where a key is, or would be. */
  #placeOf(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#keys[middle] as string) < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #placeAfter(key: string): number {
    const place = this.#placeOf(key)
    return this.#keys[place] === key ? place + 1 : place
  }
}

/** What a key with its value counts, in bytes. */
export function weigh(key: string, { value, metadata }: Omit<BagItem, 'tag'>): number {
  return Buffer.byteLength(key) + value.length + Buffer.byteLength(metadata ?? '')
}

function hasExpired({ expiresAtMs }: BagItem, nowMs: number): boolean {
  return expiresAtMs !== undefined && expiresAtMs <= nowMs
}
