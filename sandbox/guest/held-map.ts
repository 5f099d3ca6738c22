/**
 * A map for what comes and goes at every request. What a `Map` has let go of can be kept alive by tables that it has left
 * (core/held-map.ts says how), and here it would count as the site's memory; these tables hold only boxes, emptied in time.
 */

import { maps } from './primordials.ts'

interface Box<Value> {
  value: Value | undefined
}

/** A map whose methods the site cannot change. */
export class HeldMap<Value> {
  readonly #boxes = new Map<number, Box<Value>>()

  get(key: number): Value | undefined {
    return maps.get(this.#boxes, key)?.value
  }

  has(key: number): boolean {
    return maps.has(this.#boxes, key)
  }

  set(key: number, value: Value): void {
    const box = maps.get(this.#boxes, key)
    if (box === undefined) maps.set(this.#boxes, key, { value })
    else box.value = value
  }

  delete(key: number): void {
    const box = maps.get(this.#boxes, key)
    if (box === undefined) return
    box.value = undefined
    maps.delete(this.#boxes, key)
  }
}
