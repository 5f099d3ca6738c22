/** Work on things that come by and by: so many at a time, the urgent ones first, each waiting once. */

/** Things in line, and the work on them. */
export interface Lanes<T> {
  /** Puts a thing in line, or brings it forward when it is urgent now. One that is being worked on is put in line again. */
  add(thing: T, isUrgent?: boolean): void
  /** Takes a thing out of the line. What is being worked on goes on. */
  drop(thing: T): void
  /** Whether it is in line. */
  has(thing: T): boolean
  /** Things in line and being worked on. */
  readonly size: number
  /** Empties the line; resolves when nothing is being worked on. Nothing is taken any more. */
  close(): Promise<void>
}

/** Lanes with nothing in them. `work` must not reject. One thing is never worked on twice at a time. */
export function createLanes<T>(parallel: number, work: (thing: T) => Promise<void>): Lanes<T> {
  /** In the order in which they came. */
  const urgent = new Set<T>()
  const waiting = new Set<T>()
  const running = new Map<T, Promise<void>>()
  let isClosed = false

  function next(line: Set<T>): T | undefined {
    for (const thing of line) if (!running.has(thing)) return thing
    return undefined
  }

  function pump(): void {
    while (running.size < parallel && !isClosed) {
      const thing = next(urgent) ?? next(waiting)
      if (thing === undefined) return
      urgent.delete(thing)
      waiting.delete(thing)
      const done = work(thing).finally(() => {
        running.delete(thing)
        pump()
      })
      running.set(thing, done)
    }
  }

  return {
    add(thing, isUrgent = false) {
      if (isClosed) return
      if (isUrgent) {
        waiting.delete(thing)
        urgent.add(thing)
      } else if (!urgent.has(thing)) waiting.add(thing)
      pump()
    },
    drop(thing) {
      urgent.delete(thing)
      waiting.delete(thing)
    },
    has: (thing) => urgent.has(thing) || waiting.has(thing),
    get size() {
      return urgent.size + waiting.size + running.size
    },
    async close() {
      isClosed = true
      urgent.clear()
      waiting.clear()
      await Promise.all(running.values())
    },
  }
}
