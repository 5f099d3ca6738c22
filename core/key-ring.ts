/**
 * A ring of keys that follow one another: each is announced before it is used, used for its time, and kept for a while
 * after. Plain data and pure functions; what a key is made of does not matter here.
 */

/** A key's place in its ring, in milliseconds since 1970. */
export interface Turn {
  /** From when the key is used, until the next one is. */
  readonly activeFromMs: number
  /** How long past its last use the key is still needed. */
  readonly keepMs: number
}

/** The times of a ring, in milliseconds. */
export interface RingTimes {
  /** How long one key is used. */
  readonly useMs: number
  /** How long before its first use a key is made, so that everyone who has to know it does by then. */
  readonly announceMs: number
}

/** The key in use at a moment; in a ring whose keys all lie in the future (the clock was set back), the first. */
export function activeKey<K extends Turn>(ring: readonly K[], nowMs: number): K {
  const active = ring.findLast(({ activeFromMs }) => activeFromMs <= nowMs) ?? ring[0]
  if (!active) throw new TypeError('expected a ring with at least one key')
  return active
}

/**
 * The ring as it is to be at a moment: with the next key if it is time to announce it, without those that nobody needs
 * any more. The same array when nothing changes. `make` gets the moment from which the new key is used.
 */
export function turnRing<K extends Turn>(
  ring: readonly K[],
  times: RingTimes,
  nowMs: number,
  make: (activeFromMs: number) => K,
): readonly K[] {
  const last = ring.at(-1)
  const turned = ring.filter((key, index) => {
    const next = ring[index + 1]
    return next === undefined || nowMs < next.activeFromMs + key.keepMs
  })
  if (!last) turned.push(make(nowMs))
  else if (last.activeFromMs + times.useMs - times.announceMs <= nowMs)
    // A host that slept through the change still announces first.
    turned.push(make(Math.max(last.activeFromMs + times.useMs, nowMs + times.announceMs)))
  return turned.length === ring.length && turned.at(-1) === last ? ring : turned
}
