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
  let isOver = false
  const lane = async () => {
    while (!isOver) {
      const next = iterator.next()
      if (next.done) isOver = true
      else
        try {
          await work(next.value)
        } catch (error) {
          isOver = true
          throw error
        }
    }
  }
  const lanes: Promise<void>[] = []
  // No more of them than there are items: most lists are short.
  while (!isOver && lanes.length < parallel) lanes.push(lane())
  await Promise.all(lanes)
}
