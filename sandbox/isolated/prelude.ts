/** The prelude in an isolate: the guest's own script, run before anything of a site's, and the functions that it gives out. */

import ivm from 'isolated-vm'
import { entryNames, type GuestEntries, type HostCall, hostCallName } from '../bridge.ts'
import { type CachedScript, compileScript } from './script.ts'

/** What an entry is given: values as they are, bytes as a copy that ivm makes in the isolate. */
export type EntryArgument = string | number | boolean | undefined | ivm.Copy<Uint8Array>

/** One of the guest's functions. */
export type GuestEntry = ivm.Reference<(...args: EntryArgument[]) => void>

/** The guest's functions, the only references into an isolate that are held. */
export type GuestReferences = Readonly<Record<keyof GuestEntries, GuestEntry>>

/** What the prelude leaves: the context that it ran in, and its functions. */
export interface RunPrelude {
  readonly context: ivm.Context
  readonly references: GuestReferences
}

/** Runs the prelude in an isolate; its calls go to `call`. Throws what ivm throws. */
export function runPrelude(isolate: ivm.Isolate, prelude: CachedScript, call: HostCall, timeout: number): RunPrelude {
  const context = isolate.createContextSync()
  const { global } = context
  global.setSync(hostCallName, new ivm.Callback(call, { sync: true }))
  compileScript(isolate, prelude).runSync(context, { timeout, release: true })
  // The prelude has taken its function and deleted it; here is made sure.
  global.deleteSync(hostCallName)
  const take = (name: string): GuestEntry => {
    const entry = global.getSync(name, { reference: true })
    global.deleteSync(name)
    return entry
  }
  const references: GuestReferences = {
    dispatch: take(entryNames.dispatch),
    deliver: take(entryNames.deliver),
    tick: take(entryNames.tick),
    load: take(entryNames.load),
  }
  return { context, references }
}

/**
 * An isolate in which nothing but the prelude has run: made while a process waits for its site, so that the site's code need
 * not wait for it.
 */
export interface BlankIsolate extends RunPrelude {
  readonly isolate: ivm.Isolate
  /** The bound of its heap, which it has from birth. */
  readonly heapMiB: number
  /** Where its guest's calls go, from now on. */
  answerBy(call: HostCall): void
}

/** Makes a blank isolate. Throws what ivm throws; the isolate is gone then. */
export function createBlankIsolate(prelude: CachedScript, heapMiB: number, timeoutMs: number): BlankIsolate {
  const isolate = createIsolate(heapMiB)
  let answer: HostCall = () => 0
  try {
    const ran = runPrelude(isolate, prelude, (op, a, b, c, d) => answer(op, a, b, c, d), timeoutMs)
    return {
      ...ran,
      isolate,
      heapMiB,
      answerBy(call) {
        answer = call
      },
    }
  } catch (thrown) {
    if (!isolate.isDisposed) isolate.dispose()
    throw thrown
  }
}

/** An empty isolate. ivm takes 8 MiB at least. */
export function createIsolate(heapMiB: number): ivm.Isolate {
  return new ivm.Isolate({ memoryLimit: Math.max(8, heapMiB) })
}
