/**
 * The watchdog: a thread of the tenant's process that looks every few milliseconds whether the main thread has been inside an
 * isolate for too long, or the process has too much memory, and then ends the process. It is needed because some of the
 * language's own functions never look whether they are to stop; against those only the end of the process helps.
 *
 * It runs nothing of the site's. It shares one array of numbers with the main thread, see entry-watch.ts.
 */

import { writeSync } from 'node:fs'
import { workerData } from 'node:worker_threads'
import type { LastWords } from '../../core/last-words.ts'
import { tenantLimits } from '../../core/sandbox-limits.ts'
import { watchSlots } from './watch-slots.ts'

const slots = workerData as Int32Array
const standardError = 2
/** `lastWordsPrefix` of core/sandbox-messages.ts, whose schemas this thread does without. */
const prefix = 'grove-end '
/** The entry that was seen last, when it was first seen, and how often there was nothing new. */
let entry = 0
let sinceMs = 0
let quietLooks = 0

for (;;) {
  look()
  wait()
}

function look(): void {
  const nowMs = performance.now()
  const seen = Atomics.load(slots, watchSlots.entry)
  if (seen !== entry) {
    entry = seen
    sinceMs = nowMs
    quietLooks = 0
  } else quietLooks++
  const limitMs = Atomics.load(slots, watchSlots.limitMs)
  if (isInside() && nowMs - sinceMs > limitMs + tenantLimits.killGraceMs)
    end({ reason: 'cpu', value: Math.round(nowMs - sinceMs), limit: limitMs })
  const bytes = process.memoryUsage.rss()
  const limitMiB = Atomics.load(slots, watchSlots.memoryMiB)
  if (limitMiB > 0 && bytes > limitMiB * 2 ** 20) end({ reason: 'memory', value: bytes, limit: limitMiB * 2 ** 20 })
}

/** Odd while the main thread is inside. */
function isInside(): boolean {
  return entry % 2 !== 0
}

/** Until it is time to look again: soon while there are entries, and when there were none for a while, with the next one. */
function wait(): void {
  if (isInside() || quietLooks < tenantLimits.restAfterLooks) {
    // Nobody ever writes here: it is a sleep.
    Atomics.wait(slots, watchSlots.pause, 0, tenantLimits.watchMs)
    return
  }
  Atomics.store(slots, watchSlots.isResting, 1)
  // Returns at once when an entry came in between.
  Atomics.wait(slots, watchSlots.entry, entry, tenantLimits.restMs)
  Atomics.store(slots, watchSlots.isResting, 0)
}

function end(words: LastWords): void {
  try {
    writeSync(standardError, `${prefix}${JSON.stringify(words)}\n`)
  } catch {
    // Nobody listens, or the pipe is full: the end comes all the same.
  }
  process.kill(process.pid, 'SIGKILL')
}
