/** The main thread's side of the watchdog: it says when it is inside an isolate, and how long it may be. */

import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { EntryWatch } from '../engine.ts'
import { watchSlots } from './watch-slots.ts'

/** The watch of a process. */
export interface ProcessWatch extends EntryWatch {
  setMemory(memoryMiB: number): void
}

/** Starts the watchdog. Resolves once its thread runs; rejects if it cannot. */
export async function startWatchdog(): Promise<ProcessWatch> {
  const slots = new Int32Array(new SharedArrayBuffer(Object.keys(watchSlots).length * Int32Array.BYTES_PER_ELEMENT))
  // Sources run as they are in a clone, and as JavaScript from dist.
  const worker = new Worker(new URL(`./watchdog${extname(import.meta.filename)}`, import.meta.url), {
    workerData: slots,
    execArgv: [],
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
  })
  await new Promise<void>((resolve, reject) => {
    worker.once('online', resolve)
    worker.once('error', reject)
  })
  // A process without its watchdog is not to go on.
  worker.on('error', () => process.abort())
  worker.on('exit', () => process.abort())
  worker.unref()
  let entry = 0
  return {
    enter(limitMs) {
      Atomics.store(slots, watchSlots.limitMs, limitMs)
      entry = (entry + 1) | 0
      Atomics.store(slots, watchSlots.entry, entry)
      if (Atomics.load(slots, watchSlots.isResting) === 1) Atomics.notify(slots, watchSlots.entry)
    },
    leave() {
      entry = (entry + 1) | 0
      Atomics.store(slots, watchSlots.entry, entry)
    },
    setMemory: (memoryMiB) => {
      Atomics.store(slots, watchSlots.memoryMiB, memoryMiB)
    },
  }
}
