/** The limits of time of a request, looked at from time to time. */

import type { SandboxLimits } from '../../core/sandbox-limits.ts'
import type { Breach } from '../engine.ts'
import type { Exchange } from './exchange.ts'

/** The limit that a request is past at a moment of the monotonic clock; undefined if it is past none. */
export function overdue(exchange: Exchange, limits: SandboxLimits, nowMs: number): Breach | undefined {
  const { firstByteMs, totalMs, waitUntilMs } = limits
  const { phase, isAnswered, isUpgraded, answeredAtMs, startedAtMs } = exchange
  const ageMs = nowMs - startedAtMs
  if (phase === 'background') return past('waitUntilMs', nowMs - answeredAtMs, waitUntilMs)
  if (!isAnswered && ageMs > firstByteMs) return past('firstByteMs', ageMs, firstByteMs)
  return isUpgraded ? undefined : past('totalMs', ageMs, totalMs)
}

function past(limit: string, value: number, bound: number): Breach | undefined {
  return value > bound ? { limit, value, bound, place: '' } : undefined
}
