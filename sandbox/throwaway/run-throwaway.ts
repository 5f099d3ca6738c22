/**
 * Work on what an author has sent, in a process that is there for this work alone: it has no secrets in its environment
 * or memory, it can be killed at any moment with all that it has started, and whatever it breaks ends with it.
 *
 * It runs as Grove's own user. So it is no defence against code that takes the process over; it is one against work
 * that never ends, takes all memory or crashes.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { fromPlainError, GroveError, toPlainError } from '../../core/errors.ts'
import type { FromThrowaway, ToThrowaway } from './throwaway-messages.ts'

/** What a throw-away process is given. */
export interface ThrowawayOptions {
  /** The module that it runs; it calls `serveThrowaway`. */
  readonly module: URL
  /** What the work is called in errors: `bundling`. */
  readonly what: string
  /** Whatever Node's `advanced` serialization takes. */
  readonly input: unknown
  /** Answers what the process asks meanwhile. @default it may ask nothing */
  readonly answer?: ((question: unknown) => unknown) | undefined
  readonly timeoutMs: number
  /** The heap of its JavaScript. */
  readonly heapMiB: number
  /** Its whole environment. @default empty */
  readonly variables?: Readonly<Record<string, string>> | undefined
  readonly signal?: AbortSignal | undefined
}

/** How much of what it says before it crashes is kept. */
const lastWordsChars = 2_000

/**
 * Starts the process, gives it its work, and resolves with the result once the process is gone. Rejects with the error that
 * the work threw; with `ERR_CODE` when it took too long or the process ended without one; with the signal's reason.
 */
export async function runThrowaway(options: ThrowawayOptions): Promise<unknown> {
  const { module, heapMiB, timeoutMs, what, signal, variables = {} } = options
  signal?.throwIfAborted()
  const child = spawn(process.execPath, [`--max-old-space-size=${heapMiB}`, '--no-warnings', fileURLToPath(module)], {
    cwd: tmpdir(),
    env: variables,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    serialization: 'advanced',
    // A group of its own, so that what it starts can be ended with it.
    detached: true,
  })
  const gone = Promise.withResolvers<void>()
  child.once('exit', () => gone.resolve())
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const giveUp = () => reject(signal?.reason)
  signal?.addEventListener('abort', giveUp, { once: true })
  const timer = setTimeout(
    () => reject(new GroveError('ERR_CODE', `${what} took more than ${timeoutMs} ms`)),
    timeoutMs,
  )
  converse(child, options, resolve, reject, gone)
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
    endGroup(child)
    await gone.promise
  }
}

/** Speaks with the process until there is a result, or none can come any more. */
function converse(
  child: ChildProcess,
  { what, input, answer }: ThrowawayOptions,
  resolve: (result: unknown) => void,
  reject: (error: unknown) => void,
  gone: PromiseWithResolvers<void>,
): void {
  let lastWords = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    lastWords = (lastWords + chunk.toString('utf8')).slice(-lastWordsChars)
  })
  child.once('error', (error) => {
    reject(new GroveError('ERR_INTERNAL', `${what} cannot be started: ${error.message}`, { cause: error }))
    // A process that never ran has no exit event.
    if (child.pid === undefined) gone.resolve()
  })
  child.once('close', (code, signalName) => {
    reject(
      new GroveError('ERR_CODE', `${what} ended without a result (${signalName ?? `code ${code}`})`, {
        cause: lastWords === '' ? undefined : new Error(lastWords),
      }),
    )
  })
  const send = (message: ToThrowaway) => {
    // Without this a process that is gone would be an error of ours.
    if (child.connected) child.send(message, undefined, {}, () => undefined)
  }
  const reply = async (id: number, question: unknown) => {
    try {
      if (!answer) throw new GroveError('ERR_INTERNAL', `${what} may ask nothing`)
      send({ re: id, answer: await answer(question) })
    } catch (error) {
      send({ re: id, error: toPlainError(error) })
    }
  }
  child.on('message', (message: FromThrowaway) => {
    if ('result' in message) resolve(message.result)
    else if ('error' in message) reject(fromPlainError(message.error))
    else void reply(message.id, message.question)
  })
  send({ input })
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // It is gone already, with all that it had started.
  }
}
