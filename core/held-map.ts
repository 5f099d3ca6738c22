/**
 * A map for what comes and goes at every request.
 *
 * When a `Map` of V8's is written to again and again it moves to a new table from time to time, and the table that it has
 * left goes on pointing to the new one. One such table that has grown old keeps all that come after it, and whatever they
 * held when they were left, until the whole heap is collected: a third of what a busy front had allocated was copied at each
 * quick collection, requests that were long over (test/core/held-map-memory.test.ts shows it). Here the tables hold only small
 * boxes, which are emptied when they are deleted.
 */

interface Box<Value> {
  value: Value | undefined
}

/** A map in the order in which keys were first set, like `Map`. */
export class HeldMap<Key, Value> {
  readonly #boxes = new Map<Key, Box<Value>>()

  get size(): number {
    return this.#boxes.size
  }

  get(key: Key): Value | undefined {
    return this.#boxes.get(key)?.value
  }

  has(key: Key): boolean {
    return this.#boxes.has(key)
  }

  set(key: Key, value: Value): void {
    const box = this.#boxes.get(key)
    if (box) box.value = value
    else this.#boxes.set(key, { value })
  }

  /** Answers whether there was one. */
  delete(key: Key): boolean {
    const box = this.#boxes.get(key)
    if (!box) return false
    box.value = undefined
    return this.#boxes.delete(key)
  }

  clear(): void {
    for (const box of this.#boxes.values()) box.value = undefined
    this.#boxes.clear()
  }

  /** All that are in it at this moment. */
  values(): Value[] {
    return Array.from(this.#boxes.values(), (box) => box.value as Value)
  }

  /** All keys and values at this moment. */
  entries(): [Key, Value][] {
    return Array.from(this.#boxes, ([key, box]) => [key, box.value as Value])
  }
}
