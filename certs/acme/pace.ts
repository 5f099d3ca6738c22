/** How fast orders begin, and when a CA is left alone. */

import { limits } from '../../core/limits.ts'
import { setNewest } from '../../core/newest.ts'
import type { Environment } from '../../store/environment.ts'
import { acmeError, acmeFacts } from './acme-error.ts'

/** What is taken of the world here: a clock that only goes on, and waiting. */
export type PaceEnvironment = Pick<Environment, 'monotonic' | 'sleep'>

/** So many things within a time, and no more. */
export interface Pace {
  /** Waits for its turn. Turns come in the order of the calls; one whose signal aborts is lost. */
  turn(signal: AbortSignal): Promise<void>
}

/** A pace at which nothing has happened yet. In any time of `perMs` at most `count` turns come. */
export function createPace(count: number, perMs: number, environment: PaceEnvironment): Pace {
  /** When the last turns come, oldest first; at most `count`. */
  const turnsMs: number[] = []
  return {
    async turn(signal) {
      signal.throwIfAborted()
      const nowMs = environment.monotonic()
      const oldestMs = turnsMs.length < count ? Number.NEGATIVE_INFINITY : (turnsMs.shift() ?? nowMs)
      const turnMs = Math.max(nowMs, oldestMs + perMs)
      turnsMs.push(turnMs)
      if (turnMs > nowMs) await environment.sleep(turnMs - nowMs, signal)
    },
  }
}

/**
 * Remembers what a CA has asked for with Retry-After: until then it is not asked again, whoever calls and however often.
 * What is remembered is bounded, so the oldest of very many is forgotten; then the CA says so once more.
 */
export interface Quiet {
  /** Throws `ERR_ACME` (`limited`) with the time that is left, while the CA, or this subject, is to be left alone. */
  check(subject: string): void
  /** Runs work, and remembers for the subject what the CA asked for when it failed. */
  watch<T>(subject: string, work: () => Promise<T>): Promise<T>
}

/** Subject of what is asked for all: nothing may be asked while it is quiet. */
export const everything = ''

/** Nothing was asked for yet. */
export function createQuiet(environment: PaceEnvironment): Quiet {
  /** Keyed by subject, oldest first. */
  const untilMs = new Map<string, number>()
  return {
    check(subject) {
      const end = Math.max(untilMs.get(subject) ?? -Infinity, untilMs.get(everything) ?? -Infinity)
      const retryAfterMs = Math.ceil(end - environment.monotonic())
      if (retryAfterMs <= 0) return
      throw acmeError('the CA has asked not to be asked again yet', { reason: 'limited', retryAfterMs })
    },
    async watch(subject, work) {
      try {
        return await work()
      } catch (error) {
        const { status, retryAfterMs } = acmeFacts(error) ?? {}
        // 503 is said of the whole server; 429 of what was asked for.
        const about = status === 503 ? everything : subject
        if (status !== undefined && retryAfterMs !== undefined)
          setNewest(untilMs, about, environment.monotonic() + retryAfterMs, limits.acme.quiet)
        throw error
      }
    },
  }
}
