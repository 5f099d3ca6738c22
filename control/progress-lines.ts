/** Long work as lines: how far it is now and then, and its result at the end. */

import type { z } from 'zod'
import type { progressSchema } from '../core/store-api.ts'

/** How far something is. */
export type ProgressLine = z.output<typeof progressSchema>

/** A line of long work. */
export type WorkLine<Result> = { readonly progress: ProgressLine } | { readonly result: Result }

/** How often progress is told at most, in milliseconds. */
const everyMs = 200

/**
 * Runs work and tells its progress. What the work says faster than anybody reads is passed over; its end never is.
 * Aborts the work's signal when nobody reads any more.
 */
export async function* progressLines<Result>(
  run: (say: (progress: ProgressLine) => void, signal: AbortSignal) => Promise<Result>,
): AsyncGenerator<WorkLine<Result>> {
  const ended = new AbortController()
  let latest: ProgressLine | undefined
  let wake = Promise.withResolvers<void>()
  let saidAtMs = Number.NEGATIVE_INFINITY
  let isDone = false
  const say = (progress: ProgressLine) => {
    if (performance.now() - saidAtMs < everyMs) return
    saidAtMs = performance.now()
    latest = progress
    wake.resolve()
  }
  const work = run(say, ended.signal).finally(() => {
    isDone = true
    wake.resolve()
  })
  work.catch(() => {}) // It is waited for below, if anybody reads so far.
  try {
    while (!isDone) {
      await wake.promise
      wake = Promise.withResolvers()
      if (latest && !isDone) yield { progress: latest }
      latest = undefined
    }
    yield { result: await work }
  } finally {
    ended.abort()
    await work.catch(() => {})
  }
}
