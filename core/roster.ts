/**
 * A list for what comes and goes at every request, in the order in which it came. A `Set` would keep alive what has left it
 * (held-map.ts says why); a place that was left points to nothing here.
 */

/** Where something stands in a {@link Roster}. */
export interface Place {
  /** Takes it out. Nothing happens the second time. */
  leave(): void
}

/** A list that anything can leave at once, wherever it stands. */
export class Roster<Item> {
  /** How many are in it. */
  size = 0
  /** Stands before the first and after the last. */
  readonly #ends: Link<Item> = new Link<Item>(this, undefined)

  /** Puts something at the end. */
  add(item: Item): Place {
    this.size += 1
    return new Link(this, item).enter(this.#ends)
  }

  /** Those that are in it at this moment, those that came first in front, but for those that have left before their turn. */
  *[Symbol.iterator](): Iterator<Item> {
    const links: Link<Item>[] = []
    for (let link = this.#ends.after; link && link !== this.#ends; link = link.after) links.push(link)
    for (const link of links) if (link.after) yield link.item as Item
  }
}

class Link<Item> implements Place {
  readonly item: Item | undefined
  readonly #roster: Roster<Item>
  before: Link<Item> | undefined = this
  after: Link<Item> | undefined = this

  constructor(roster: Roster<Item>, item: Item | undefined) {
    this.#roster = roster
    this.item = item
  }

  enter(ends: Link<Item>): this {
    const last = ends.before as Link<Item>
    this.before = last
    this.after = ends
    last.after = this
    ends.before = this
    return this
  }

  leave(): void {
    const { before, after } = this
    if (!before || !after) return
    before.after = after
    after.before = before
    this.before = undefined
    this.after = undefined
    this.#roster.size -= 1
  }
}
