/** Long work as lines: how far it is now and then, and its result at the end. */

import type { z } from 'zod'
import type { progressSchema } from '../core/store-api.ts'

/** How far something is. */
export type ProgressLine = z.output<typeof progressSchema>

/** A line of long work. */
export type WorkLine<Result> = { readonly progress: ProgressLine } | { readonly result: Result }

/** How often progress is told at most, in milliseconds. */
const everyMs = 200

/** How often it is told at least: whoever hears nothing for long takes the other side for dead. */
const leastEveryMs = 10_000

/**
 * Runs work and tells its progress, the same again while there is none. What the work says faster than anybody reads is
 * passed over; its end never is. Aborts the work's signal when nobody reads any more.
 */
export async function* progressLines<Result>(
  run: (say: (progress: ProgressLine) => void, signal: AbortSignal) => Promise<Result>,
  beatMs = leastEveryMs,
): AsyncGenerator<WorkLine<Result>> {
  const ended = new AbortController()
  let newest: ProgressLine = { what: 'working', objects: 0, bytes: 0 }
  let wake = Promise.withResolvers<void>()
  let saidAtMs = Number.NEGATIVE_INFINITY
  let isDone = false
  let isDue = false
  const tell = () => {
    isDue = true
    wake.resolve()
  }
  const say = (progress: ProgressLine) => {
    newest = progress
    if (performance.now() - saidAtMs < everyMs) return
    saidAtMs = performance.now()
    tell()
  }
  const work = run(say, ended.signal).finally(() => {
    isDone = true
    wake.resolve()
  })
  work.catch(() => {}) // It is waited for below, if anybody reads so far.
  try {
    while (!isDone) {
      const beat = setTimeout(tell, beatMs)
      await wake.promise
      clearTimeout(beat)
      wake = Promise.withResolvers()
      if (isDue && !isDone) yield { progress: newest }
      isDue = false
    }
    yield { result: await work }
  } finally {
    ended.abort()
    await work.catch(() => {})
  }
}
