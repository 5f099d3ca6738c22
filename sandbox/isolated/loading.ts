/** How the guest gets into an isolate: prelude, settings, modules of WebAssembly, and the site's bundle, each watched. */

import ivm from 'isolated-vm'
import type { SandboxLimits } from '../../core/sandbox-limits.ts'
import { type BridgeValue, bridgeLimits, defineName, type HostCall, loadSteps, siteFilename } from '../bridge.ts'
import type { GuestLimits, LoadBegin } from '../bridge-shapes.ts'
import { type CodeSource, LoadError } from '../engine.ts'
import { placeOf, readGuestError, thrownError } from './guest-error.ts'
import { type BlankIsolate, type EntryArgument, type GuestReferences, runPrelude } from './prelude.ts'
import { type CachedScript, compileScript } from './script.ts'

/** What ivm says when an entry has reached its time limit. */
export const timedOut = 'Script execution timed out.'

/** What has become of the bundle, as the guest tells it with `ops.loaded` or `ops.fail`. */
export interface LoadOutcome {
  handlers?: string
  error?: BridgeValue
}

/** What loading takes. */
export interface Loading {
  readonly isolate: ivm.Isolate
  readonly source: CodeSource
  readonly call: HostCall
  readonly prelude: CachedScript
  readonly bundle: CachedScript
  readonly outcome: LoadOutcome
  /** How long each step may take, by the clock. */
  readonly startupMs: number
  /** Set where the isolate has its prelude already. */
  readonly blank: BlankIsolate | undefined
}

/** Runs everything up to the site's handlers. Throws {@link LoadError}. */
export function loadGuest(loading: Loading): GuestReferences {
  const startedAt = performance.now()
  try {
    return runAll(loading)
  } catch (thrown) {
    throw thrown instanceof LoadError ? thrown : loadError(thrown, loading, performance.now() - startedAt)
  }
}

function runAll(loading: Loading): GuestReferences {
  const { isolate, source, call, prelude, bundle, outcome, startupMs: timeout, blank } = loading
  blank?.answerBy(call)
  const { context, references } = blank ?? runPrelude(isolate, prelude, call, timeout)
  const { global } = context
  const load = (...args: EntryArgument[]) => references.load.applySync(undefined, args, { timeout })
  load(loadSteps.begin, JSON.stringify(beginOf(source)))
  for (const { name, bytes } of source.wasm) load(loadSteps.wasm, name, givenAway(new Uint8Array(bytes)))
  compileScript(isolate, bundle).runSync(context, { timeout, release: true })
  global.deleteSync(defineName)
  load(loadSteps.run)
  if (outcome.handlers !== undefined) return references
  if (outcome.error !== undefined) throw new LoadError('exception', readGuestError(outcome.error))
  throw new LoadError('no-handler', { name: 'Error', message: 'the code did not say that it is loaded', stack: '' })
}

function beginOf({ site, version, vars, assets, data, limits }: CodeSource): LoadBegin {
  return { site, version, vars, assets, data, limits: guestLimits(limits) }
}

function guestLimits(limits: SandboxLimits): GuestLimits {
  const { timers, operations, logLines, bufferedBodyBytes } = limits
  const { responseHeaders, responseHeaderBytes, urlChars, waitUntilMs } = limits
  const logLineChars = bridgeLimits.logChars
  return {
    timers,
    operations,
    logLines,
    logLineChars,
    bufferedBodyBytes,
    responseHeaders,
    responseHeaderBytes,
    urlChars,
    waitUntilMs,
  }
}

function loadError(thrown: unknown, { isolate, source, startupMs }: Loading, elapsedMs: number): LoadError {
  const { heapMiB } = source.limits
  if (isolate.isDisposed)
    return new LoadError('memory', plainError('RangeError', `loading needs more than ${heapMiB} MiB of heap (heapMiB)`))
  const error = thrownError(thrown)
  if (error.message === timedOut && elapsedMs >= startupMs - 1) {
    const place = placeOf(error.stack, siteFilename)
    const where = place === '' ? '' : ` at ${place}`
    return new LoadError('startup', plainError('Error', `loading took more than ${startupMs} ms (startupMs)${where}`))
  }
  return new LoadError(error.name === 'SyntaxError' ? 'syntax' : 'exception', error)
}

function plainError(name: string, message: string): { name: string; message: string; stack: string } {
  return { name, message, stack: '' }
}

/**
 * Bytes for an entry. They are given away: the array that was passed is empty afterwards, so that they are copied only
 * once. They have to own the whole of their buffer, since all of it goes: what else lies in a shared one must not.
 */
export function givenAway(bytes: Uint8Array): ivm.Copy<Uint8Array> {
  // Not `slice`: that of a Buffer copies nothing, and all of the pool that it lies in would go.
  const own = bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
  return new ivm.ExternalCopy(own, { transferOut: true }).copyInto({ release: true, transferIn: true })
}
