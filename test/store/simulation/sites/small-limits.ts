/**
 * Bounds of the store made so small that a simulated site comes to all of them: contents that are too large for a
 * segment, several segments of one publish, merges, caches that are full. For the whole process, so this is imported by
 * simulations alone.
 */

import { limits } from '../../../../core/limits.ts'

/** A time that stands for the day after which what nobody needs is removed, in milliseconds. */
export const graceMs = 5_000

/** Contents longer than this are objects by themselves. */
export const bareBytes = 6_000

type Mutable<T> = { -readonly [Key in keyof T]: number }

Object.assign(limits.segment as Mutable<typeof limits.segment>, {
  targetBytes: 4_000,
  mostBytes: 8_000,
  bareBytes,
})
Object.assign(limits.store as Mutable<typeof limits.store>, {
  fullSegmentBytes: 4_000,
  checkpointEntries: 6,
  uploadKeptMs: graceMs,
  collectGraceMs: graceMs,
  freshMs: 200,
  nodesBytes: 6_000,
  indexFrames: 60,
  wholeFetchBytes: 3_000,
  rootEveryMs: 40,
  rootMarginMs: 60_000,
  thoroughFiles: 20,
  thoroughEveryMs: 100,
})
