/**
 * Work that follows something that changes: for each key one line, in which many requests may be met by one piece of
 * work, and work that has become old is passed over. All lines can be paused together.
 */

import { limits } from '../core/limits.ts'

/**
 * One piece of work. It should look at what is to be followed when it begins, and ask `isNewest` before it does what
 * others see; it answers undefined when it stopped because it was not the newest.
 */
export type FollowWork<T> = (key: string, isNewest: () => boolean) => Promise<T | undefined>

interface Waiting<T> {
  readonly turn: number
  readonly resolve: (result: T) => void
  readonly reject: (error: unknown) => void
}

interface Line<T> {
  /** Counts the requests; the line runs until `done` has reached it. */
  wanted: number
  done: number
  waiting: Waiting<T>[]
  running: Promise<void> | undefined
}

/** Lines of following work, one for each key. A line without work takes no memory. */
export class Followers<T> {
  readonly #work: FollowWork<T>
  readonly #lines = new Map<string, Line<T>>()
  #active = 0
  #idle: (() => void) | undefined
  #pause: Promise<void> | undefined

  constructor(work: FollowWork<T>) {
    this.#work = work
  }

  /** Resolves with the result of a piece of work that began after this call, or rejects with its error. */
  request(key: string): Promise<T> {
    const line = this.#lines.get(key) ?? { wanted: 0, done: 0, waiting: [], running: undefined }
    this.#lines.set(key, line)
    line.wanted += 1
    return new Promise((resolve, reject) => {
      line.waiting.push({ turn: line.wanted, resolve, reject })
      // In a turn of its own: work that asks for its own key must find the line running.
      line.running ??= Promise.resolve().then(() => this.#run(key, line))
    })
  }

  /** Resolves when a line has no work. Never rejects. */
  async idle(key: string): Promise<void> {
    await this.#lines.get(key)?.running
  }

  /** Resolves when no line has work. Never rejects. */
  async allIdle(): Promise<void> {
    await Promise.all([...this.#lines.values()].map(({ running }) => running))
  }

  /** Runs `between` while no line works; requests that come meanwhile wait. */
  async paused<R>(between: () => Promise<R>): Promise<R> {
    while (this.#pause) await this.#pause
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#pause = promise
    try {
      if (this.#active > 0) {
        await new Promise<void>((idle) => {
          this.#idle = idle
        })
      }
      return await between()
    } finally {
      this.#pause = undefined
      resolve()
    }
  }

  async #run(key: string, line: Line<T>): Promise<void> {
    let passedOver = 0
    while (line.done < line.wanted) {
      while (this.#pause) await this.#pause
      this.#active += 1
      const turn = line.wanted
      try {
        // Requests that come faster than the work is done must not put it off for ever.
        const isNewest = () => line.wanted === turn || passedOver >= limits.control.passedOver
        const result = await this.#work(key, isNewest)
        if (result === undefined) passedOver += 1
        else {
          passedOver = 0
          settle(line, turn, ({ resolve }) => resolve(result))
        }
      } catch (error) {
        settle(line, turn, ({ reject }) => reject(error))
      } finally {
        this.#active -= 1
        if (this.#active === 0) this.#idle?.()
      }
    }
    this.#lines.delete(key)
  }
}

function settle<T>(line: Line<T>, turn: number, tell: (waiting: Waiting<T>) => void): void {
  line.done = turn
  const due = line.waiting.filter((waiting) => waiting.turn <= turn)
  line.waiting = line.waiting.filter((waiting) => waiting.turn > turn)
  due.forEach(tell)
}
