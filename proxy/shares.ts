/**
 * Places that many want, shared so that no one visitor can take them all.
 *
 * Whoever holds fewer places than are free may have one more (the dynamic threshold of Choudhury and Hahne, 1998). So
 * one visitor alone gets half, the next one half of the rest, and there is always a place for somebody who has none.
 * While places are plenty nobody notices. It does not defend against many visitors who take half of the rest each.
 */

/** Shares places. */
export interface Shares {
  /** Takes a place for somebody at once and answers how to give it back; undefined when it is not their turn. */
  take(visitor: string | undefined): Release | undefined
  /**
   * Takes a place when it is their turn: by visitors in turn, and for each in the order of the calls. Rejects with the
   * signal's reason when it aborts first. How many wait is for the caller to bound.
   */
  wait(visitor: string | undefined, signal: AbortSignal): Promise<Release>
}

/** Gives a place back. Once only. */
export type Release = () => void

/** So many places, all of them free. A visitor of `undefined` is somebody else every time. */
export function createShares(places: number): Shares {
  let free = places
  /** Keyed by visitor. */
  const held = new Map<string, number>()
  /** Keyed by visitor, in the order in which it is their turn. */
  const lines = new Map<string | undefined, (() => void)[]>()

  const mayTake = (visitor: string | undefined): boolean =>
    visitor === undefined ? free > 0 : (held.get(visitor) ?? 0) < free

  const hold = (visitor: string | undefined): Release => {
    free -= 1
    if (visitor !== undefined) held.set(visitor, (held.get(visitor) ?? 0) + 1)
    return () => {
      free += 1
      if (visitor !== undefined) leave(visitor)
      admit()
    }
  }
  const leave = (visitor: string): void => {
    const left = (held.get(visitor) ?? 1) - 1
    if (left > 0) held.set(visitor, left)
    else held.delete(visitor)
  }
  /** Gives what became free to those in line. */
  const admit = (): void => {
    for (const [visitor, line] of lines) {
      if (free === 0) return
      if (!mayTake(visitor)) continue
      lines.delete(visitor)
      const enter = line.shift()
      if (line.length > 0) lines.set(visitor, line) // At the end, where this loop comes to it again.
      enter?.()
    }
  }

  return {
    take: (visitor) => (lines.has(visitor) || !mayTake(visitor) ? undefined : hold(visitor)),
    wait(visitor, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<Release>()
      const line = lines.get(visitor) ?? []
      const enter = () => {
        signal.removeEventListener('abort', giveUp)
        resolve(hold(visitor))
      }
      const giveUp = () => {
        const index = line.indexOf(enter)
        if (index !== -1) line.splice(index, 1)
        if (line.length === 0 && lines.get(visitor) === line) lines.delete(visitor)
        reject(signal.reason)
      }
      if (signal.aborted) giveUp()
      else {
        signal.addEventListener('abort', giveUp, { once: true })
        line.push(enter)
        lines.set(visitor, line)
        admit()
      }
      return promise
    },
  }
}
