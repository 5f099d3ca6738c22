/**
 * What the vault holds of a name and what cannot be read: it is replaced, the first time at once. A disk that damages the
 * next one too must not make us order without end, so from then on it is the schedule of failed orders that counts.
 */

import { limits } from '../core/limits.ts'
import type { Environment } from '../store/environment.ts'
import { retryTime, toFraction } from './schedule.ts'

/** How often it was found damaged. Times are in milliseconds since the epoch. */
export interface Damage {
  /** With less than `limits.managed.damagesMs` from one to the next. */
  readonly times: number
  /** When it was found last. */
  readonly atMs: number
  /** When it is to be replaced; undefined once that was tried. */
  readonly mendAtMs: number | undefined
}

/** Found damaged now, for the first time or once more. */
export function foundDamaged(
  before: Damage | undefined,
  environment: Pick<Environment, 'now' | 'randomBytes'>,
): Damage & { readonly mendAtMs: number } {
  const nowMs = environment.now()
  const times = before && Math.abs(nowMs - before.atMs) < limits.managed.damagesMs ? before.times + 1 : 1
  if (times === 1) return { times, atMs: nowMs, mendAtMs: nowMs }
  const fraction = toFraction(environment.randomBytes(4))
  return { times, atMs: nowMs, mendAtMs: retryTime({ tries: times - 1, sinceMs: nowMs, nowMs, fraction }) }
}
