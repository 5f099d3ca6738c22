/**
 * Opens what is locked with a password, in a thread that ends with it: deriving a key takes as long as the file says, and
 * a file can be hostile or broken. The thread is ended when it takes too long or too much memory.
 */

import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { fromPlainError, type GroveError, type PlainError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import { certificateFault } from '../certificate-fault.ts'

/** What the thread is given. */
export type LockedThing =
  | { readonly kind: 'key'; readonly pem: string; readonly password: string }
  | { readonly kind: 'pkcs12'; readonly bytes: Uint8Array; readonly password: string | undefined }

/** What was in it, PEM. */
export interface OpenedThing {
  readonly keys: string
  /** Empty for a key. */
  readonly certificates: string
}

/** What the thread answers. */
export type FromOpener = OpenedThing | { readonly error: PlainError }

const turns = createTurnstile({ most: limits.certFiles.opening, what: 'locked certificates being opened' })

/** Opens it. Throws `ERR_CERT`: `parse`, `password`, `key`, `size`. `openMs`: how long it may take. */
export function openLocked(thing: LockedThing, openMs: number = limits.certFiles.openMs): Promise<OpenedThing> {
  return turns.run(() => openInThread(thing, openMs))
}

function openInThread(thing: LockedThing, openMs: number): Promise<OpenedThing> {
  return new Promise((resolve, reject) => {
    // Sources run as they are in a clone, and as JavaScript from dist.
    const worker = new Worker(new URL(`./open-locked-thread${extname(import.meta.filename)}`, import.meta.url), {
      workerData: thing,
      resourceLimits: { maxOldGenerationSizeMb: limits.certFiles.openMegabytes },
      // Flags of the program may be about its own source, such as --input-type. Nothing of the environment is needed.
      execArgv: [],
      env: {},
    })
    const end = (error: GroveError) => {
      clearTimeout(timer)
      reject(error)
      void worker.terminate()
    }
    const timer = setTimeout(() => end(certificateFault('size', `opening it takes longer than ${openMs} ms`)), openMs)
    worker.once('message', (answer: FromOpener) => {
      if ('error' in answer) return end(fromPlainError(answer.error))
      clearTimeout(timer)
      resolve(answer)
      void worker.terminate()
    })
    worker.once('error', (cause) => end(certificateFault('parse', 'it cannot be opened', { cause })))
    worker.once('exit', () => end(certificateFault('parse', 'it cannot be opened')))
  })
}
