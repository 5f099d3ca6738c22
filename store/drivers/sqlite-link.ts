/** The way to an engine in a thread of its own, so that nothing else in the process waits for the disk. */

import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { fromPlainError, GroveError, type PlainError } from '../../core/errors.ts'
import type { Batch, BatchAnswer, EngineLink, Hello } from '../logs/request.ts'
import type { StoreSeed } from './store-seed.ts'

/** What the thread is started with. */
export interface WorkerStart {
  readonly file: string
  /** What the store is made with when the file is not there. */
  readonly seed: StoreSeed
  readonly processKey: Uint8Array
}

/** What is sent to the thread: a batch, or that this is the end. */
export type ToWorker = Batch | 'close'

/** What the thread sends: first whether it has opened the file, then an answer to each batch. */
export type FromWorker = { readonly hello: Hello } | { readonly error: PlainError } | BatchAnswer

/** Starts the thread and its engine. Throws what opening the file throws. */
export async function openWorkerLink(start: WorkerStart): Promise<EngineLink> {
  // Sources run as they are in a clone, and as JavaScript from dist.
  const extension = extname(import.meta.filename)
  const worker = new Worker(new URL(`./sqlite-worker${extension}`, import.meta.url), {
    workerData: start,
    // Flags of the program may be about its own source, such as --input-type.
    execArgv: [],
  })
  /** Who waits for the thread's next word. */
  let waiting: PromiseWithResolvers<FromWorker> | undefined
  let lost: GroveError | undefined

  worker.on('message', (message: FromWorker) => {
    const { resolve } = waiting ?? {}
    waiting = undefined
    // With nothing to wait for, the thread is no reason to go on.
    worker.unref()
    resolve?.(message)
  })
  worker.on('error', (error) => lose(error))
  const exited = new Promise<void>((resolve) => {
    worker.once('exit', (code) => {
      lose(code)
      resolve()
    })
  })

  function lose(cause: unknown): void {
    lost ??= new GroveError('ERR_DATA_IO', `the thread that has ${start.file} open has ended`, {
      cause,
      hint: 'start grove again: what was acknowledged is in the file',
    })
    waiting?.reject(lost)
    waiting = undefined
  }

  function next(): Promise<FromWorker> {
    if (lost) return Promise.reject(lost)
    waiting = Promise.withResolvers()
    worker.ref()
    return waiting.promise
  }

  /** Waits for the end of the thread, which frees the file. */
  function end(): Promise<void> {
    worker.ref()
    return exited
  }

  const first = await next()
  if ('error' in first) {
    await end()
    throw fromPlainError(first.error)
  }
  if (!('hello' in first)) throw new GroveError('ERR_INTERNAL', 'the thread of the store did not say hello')
  return {
    hello: first.hello,
    async run(batch) {
      const answer = next()
      worker.postMessage(batch satisfies ToWorker)
      return (await answer) as BatchAnswer
    },
    async close() {
      if (!lost) worker.postMessage('close' satisfies ToWorker)
      await end()
    },
  }
}
