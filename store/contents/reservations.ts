/**
 * Objects that are about to be referred to, and objects that are about to be removed: no object is both.
 *
 * A publish reserves the keys that it writes before it writes them and lets them go after its commit, when the log tells
 * of them. The collector takes a key only while nobody has reserved it, and looks into the log after that; who wants to
 * reserve such a key waits until the removal is over, and then finds that it has to be written again.
 */

/** Reservations of one process. Keyed by object key. */
export interface Reservations {
  /** Reserves keys, after their removal if one is under way. The answer lets them go. */
  reserve(keys: readonly string[]): Promise<() => void>
  /**
   * Runs a removal of those of the keys that nobody has reserved: `work` gets them, and nobody can reserve one before it
   * is done.
   */
  withUnreserved<T>(keys: readonly string[], work: (free: readonly string[]) => Promise<T>): Promise<T>
  /** Whether somebody has reserved a key now. */
  isReserved(key: string): boolean
}

/** Reservations of nothing. */
export function createReservations(): Reservations {
  /** How many have reserved a key. */
  const reserved = new Map<string, number>()
  /** When the removal of a key is over. */
  const leaving = new Map<string, Promise<unknown>>()
  return {
    async reserve(keys) {
      const those = [...new Set(keys)]
      // No turn of the event loop may lie between the last look and the reservation.
      for (let busy = pending(leaving, those); busy.length > 0; busy = pending(leaving, those))
        await Promise.allSettled(busy)
      for (const key of those) reserved.set(key, (reserved.get(key) ?? 0) + 1)
      return () => {
        for (const key of those.splice(0)) {
          const left = (reserved.get(key) ?? 1) - 1
          if (left > 0) reserved.set(key, left)
          else reserved.delete(key)
        }
      }
    },
    async withUnreserved(keys, work) {
      const free = keys.filter((key) => !reserved.has(key) && !leaving.has(key))
      const { promise, resolve } = Promise.withResolvers<void>()
      for (const key of free) leaving.set(key, promise)
      try {
        return await work(free)
      } finally {
        for (const key of free) leaving.delete(key)
        resolve()
      }
    },
    isReserved: (key) => reserved.has(key),
  }
}

function pending(leaving: ReadonlyMap<string, Promise<unknown>>, keys: readonly string[]): Promise<unknown>[] {
  return keys.flatMap((key) => leaving.get(key) ?? [])
}
