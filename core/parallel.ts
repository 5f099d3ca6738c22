/** Work on many things, a bounded number at a time. */

/**
 * Runs `work` on every item, at most `parallel` at once. Items are taken as places come free. The first failure stops
 * the start of more and is thrown; what has begun by then goes on.
 */
export async function forEachParallel<T>(
  items: Iterable<T>,
  parallel: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let failed = false
  const lane = async () => {
    for (let next = iterator.next(); !next.done && !failed; next = iterator.next()) {
      try {
        await work(next.value)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  await Promise.all(Array.from({ length: parallel }, lane))
}
