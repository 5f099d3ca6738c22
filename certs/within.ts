/** Work that is given up after a time. */

import { GroveError } from '../core/errors.ts'
import type { Environment } from '../store/environment.ts'

/** How long work may take. */
export interface WithinOptions {
  readonly environment: Pick<Environment, 'sleep'>
  /** In milliseconds. */
  readonly ms: number
  /** For the error: `the order`. */
  readonly what: string
  readonly signal: AbortSignal
}

/**
 * Runs work that gets a signal. Rejects with `ERR_TIMEOUT` when the time is over, and with the signal's reason when that
 * aborts, at once in either case: work that does not heed its signal holds nobody up.
 */
export async function within<T>(options: WithinOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { environment, ms, what, signal } = options
  signal.throwIfAborted()
  const over = new AbortController()
  const done = new AbortController()
  const given = Promise.withResolvers<never>()
  const giveUp = () => {
    over.abort(signal.reason)
    given.reject(signal.reason)
  }
  signal.addEventListener('abort', giveUp, { once: true })
  environment.sleep(ms, done.signal).then(
    () => {
      const error = new GroveError('ERR_TIMEOUT', `${what} took longer than ${ms} ms`)
      over.abort(error)
      given.reject(error)
    },
    () => {}, // It was done in time.
  )
  try {
    const result = work(over.signal)
    result.catch(() => {}) // It may fail later than it was given up.
    return await Promise.race([result, given.promise])
  } finally {
    signal.removeEventListener('abort', giveUp)
    given.promise.catch(() => {})
    done.abort()
  }
}
