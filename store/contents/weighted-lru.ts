/** A map with a bound on what its values weigh: what was used longest ago goes first. */

/** Values that can be made again, keyed by text. */
export class WeightedLru<Value> {
  readonly #most: number
  readonly #weightOf: (value: Value) => number
  /** In order of use, the longest unused first. */
  readonly #values = new Map<string, Value>()
  #weight = 0

  /** Keeps values of at most `most` together, as `weightOf` weighs them. A value must not change its weight. */
  constructor(most: number, weightOf: (value: Value) => number) {
    this.#most = most
    this.#weightOf = weightOf
  }

  /** What all values weigh together. */
  get weight(): number {
    return this.#weight
  }

  /** A value, which counts as used now. */
  get(key: string): Value | undefined {
    const value = this.#values.get(key)
    if (value === undefined) return undefined
    this.#values.delete(key)
    this.#values.set(key, value)
    return value
  }

  /** A value, which does not count as used. */
  peek(key: string): Value | undefined {
    return this.#values.get(key)
  }

  /** Keeps a value, in place of the one that the key may have. One that weighs too much alone is not kept. */
  set(key: string, value: Value): void {
    this.delete(key)
    const weight = this.#weightOf(value)
    if (weight > this.#most) return
    this.#values.set(key, value)
    this.#weight += weight
    for (const oldest of this.#values.keys()) {
      if (this.#weight <= this.#most) return
      this.delete(oldest)
    }
  }

  /** Forgets a value. */
  delete(key: string): void {
    const value = this.#values.get(key)
    if (value === undefined) return
    this.#values.delete(key)
    this.#weight -= this.#weightOf(value)
  }
}
