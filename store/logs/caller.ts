/**
 * The line of requests to an engine. One batch is under way at a time; what is asked meanwhile goes together as the
 * next one, so many writers share one fsync.
 */

import { fromPlainError, GroveError, toGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Environment } from '../environment.ts'
import type { Answers, Batch, BatchAnswer, EngineLink, Request, RequestKind, RequestOf } from './request.ts'

/** A line of requests. */
export interface Caller {
  /**
   * Asks. Rejects with what the engine refuses with; with `ERR_TOO_MANY` when too much waits, with `ERR_CLOSED` after
   * the end, and with the engine's own error when that is gone. `bytes`: what the request brings.
   */
  call<Kind extends RequestKind>(request: RequestOf<Kind>, bytes?: number): Promise<Answers[Kind]>
  /** Does what was asked until now, takes nothing more, and ends the engine. */
  close(): Promise<void>
}

/** What a line tells before those who asked get their answers. */
export interface CallerOptions {
  readonly env: Pick<Environment, 'now'>
  /** A batch was done. */
  readonly done: (batch: Batch, answer: BatchAnswer) => void
  /** The engine is gone. */
  readonly lost: () => void
}

interface Waiting {
  readonly request: Request
  readonly bytes: number
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/** A line to an engine. */
export function createCaller(link: EngineLink, { env, done, lost }: CallerOptions): Caller {
  let line: Waiting[] = []
  let lineBytes = 0
  /** Set while a batch is under way or about to be. */
  let running: Promise<void> | undefined
  /** Why nothing more is taken. */
  let ended: GroveError | undefined
  let closing: Promise<void> | undefined

  function call<Kind extends RequestKind>(request: RequestOf<Kind>, bytes = 0): Promise<Answers[Kind]> {
    if (ended) return Promise.reject(ended)
    if (line.length >= limits.store.queuedRequests || (lineBytes > 0 && lineBytes + bytes > limits.store.queuedBytes))
      return Promise.reject(new GroveError('ERR_TOO_MANY', 'too many requests to the store wait for the disk'))
    return new Promise((resolve, reject) => {
      line.push({ request: request as Request, bytes, resolve: resolve as Waiting['resolve'], reject })
      lineBytes += bytes
      running ??= runAll()
    })
  }

  /** Batch after batch until nothing waits. */
  async function runAll(): Promise<void> {
    // Those who ask in the same turn, as many do who got their answers together, are in one batch.
    await Promise.resolve()
    while (line.length > 0) await runBatch(take())
    running = undefined
  }

  /** The next of the line. Not more than fits in one batch; but the first, however large it is. */
  function take(): readonly Waiting[] {
    let bytes = 0
    let count = 0
    for (const waiting of line) {
      if (count === limits.store.batchRequests || (count > 0 && bytes + waiting.bytes > limits.store.batchBytes)) break
      bytes += waiting.bytes
      count += 1
    }
    lineBytes -= bytes
    const taken = line.slice(0, count)
    line = line.slice(count)
    return taken
  }

  async function runBatch(taken: readonly Waiting[]): Promise<void> {
    const batch: Batch = { nowMs: env.now(), requests: taken.map(({ request }) => request) }
    try {
      const answer = await link.run(batch)
      done(batch, answer)
      for (const [index, { resolve, reject }] of taken.entries()) {
        const one = answer.answers[index]
        if (one && 'value' in one) resolve(one.value as never)
        else reject(one ? fromPlainError(one.error) : new GroveError('ERR_INTERNAL', 'the engine gave no answer'))
      }
    } catch (error) {
      ended ??= toGroveError(error)
      const all = [...taken, ...line]
      line = []
      lineBytes = 0
      for (const { reject } of all) reject(ended)
      lost()
    }
  }

  return {
    call,
    close() {
      ended ??= new GroveError('ERR_CLOSED', 'store is closed')
      closing ??= (running ?? Promise.resolve()).then(() => link.close())
      return closing
    },
  }
}
