/**
 * The watchdog: a thread of the tenant's process that looks every few milliseconds whether the main thread has been inside an
 * isolate for too long, or the process has too much memory, and then ends the process. It is needed because some of the
 * language's own functions never look whether they are to stop; against those only the end of the process helps.
 *
 * It runs nothing of the site's. It shares one array of numbers with the main thread, see entry-watch.ts.
 */

import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import { tenantLimits } from '../../core/sandbox-limits.ts'
import type { LastWords } from '../../core/sandbox-messages.ts'
import { watchSlots } from './watch-slots.ts'

const slots = workerData as Int32Array
const standardError = 2
/** `lastWordsPrefix` of core/sandbox-messages.ts, whose schemas this thread does without. */
const prefix = 'grove-end '
/** The entry that was seen last, and when it was first seen. */
let entry = 0
let sinceMs = 0

function look(): void {
  const nowMs = performance.now()
  const seen = Atomics.load(slots, watchSlots.entry)
  if (seen !== entry) {
    entry = seen
    sinceMs = nowMs
  }
  const limitMs = Atomics.load(slots, watchSlots.limitMs)
  // Odd while the main thread is inside.
  if (entry % 2 !== 0 && nowMs - sinceMs > limitMs + tenantLimits.killGraceMs)
    end({ reason: 'cpu', value: Math.round(nowMs - sinceMs), limit: limitMs })
  const bytes = process.memoryUsage.rss()
  const limitMiB = Atomics.load(slots, watchSlots.memoryMiB)
  if (limitMiB > 0 && bytes > limitMiB * 2 ** 20) end({ reason: 'memory', value: bytes, limit: limitMiB * 2 ** 20 })
}

function end(words: LastWords): void {
  try {
    writeSync(standardError, `${prefix}${JSON.stringify(words)}\n`)
  } catch {
    // Nobody listens, or the pipe is full: the end comes all the same.
  }
  process.kill(process.pid, 'SIGKILL')
}

setInterval(look, tenantLimits.watchMs)
