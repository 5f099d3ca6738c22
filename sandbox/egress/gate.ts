/** Places that are held for a while: so many at once, so many more in line, and nobody else. */

import { GroveError } from '../../core/errors.ts'

/** Lets in so many at a time. */
export interface Gate {
  /**
   * A place, when it is one's turn; turns come in the order of the calls. Resolves with how to give it back, which may be
   * called more than once. Rejects with `ERR_TOO_MANY` at once when the line is full, and with the signal's reason when
   * it aborts first.
   */
  enter(signal: AbortSignal): Promise<() => void>
}

/** A gate with nobody in it. `what`: what there would be too many of, for the error. */
export function createGate(places: number, waiting: number, what: string): Gate {
  const line = new Set<() => void>()
  let free = places

  const hold = (): (() => void) => {
    let held = true
    return () => {
      if (!held) return
      held = false
      free += 1
      const [next] = line
      next?.()
    }
  }

  return {
    enter(signal) {
      if (signal.aborted) return Promise.reject(signal.reason)
      if (free > 0) {
        free -= 1
        return Promise.resolve(hold())
      }
      if (line.size >= waiting)
        return Promise.reject(new GroveError('ERR_TOO_MANY', `more than ${places + waiting} ${what} at once`))
      const { promise, resolve, reject } = Promise.withResolvers<() => void>()
      const giveUp = () => {
        line.delete(enter)
        reject(signal.reason)
      }
      const enter = () => {
        line.delete(enter)
        signal.removeEventListener('abort', giveUp)
        free -= 1
        resolve(hold())
      }
      signal.addEventListener('abort', giveUp, { once: true })
      line.add(enter)
      return promise
    },
  }
}
