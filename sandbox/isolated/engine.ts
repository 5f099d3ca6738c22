/**
 * The engine on isolated-vm: one isolate for a loaded code, entered only by the thread that owns it, only one entry at a
 * time, each with a time limit. Nothing that the guest chose ever comes out as a result.
 *
 * What it is for: that a code cannot read another's objects, and that a loop ends. What it is not: a limit of memory or a
 * sure limit of time; both can be passed by (some built-in functions do not look at the clock), which is why the process
 * around it is watched and disposable.
 */

import {
  type CodeSource,
  type Engine,
  type EngineHost,
  type EngineIsolate,
  type EntryWatch,
  LoadError,
} from '../engine.ts'
import { type CpuBucket, createCpuBucket, createPace, type Pace } from './budget.ts'
import { IsolatedCode } from './isolated-code.ts'
import { type BlankIsolate, createBlankIsolate } from './prelude.ts'
import { bundleScript, type CachedScript, preludeScript } from './script.ts'
import { Turn } from './turn.ts'
import { nobody, warmUpRequest, warmUpSource } from './warm-up.ts'

/** What the engine is made with. */
export interface IsolatedEngineOptions {
  /** The guest's own script, see prelude-bundle.ts. */
  readonly prelude: string
  readonly watch: EntryWatch
  /** How the thread gets on. @default one that it finds out by itself */
  readonly pace?: Pace
}

/** Codes whose compiled bundles are kept, so that an isolate that is replaced starts soon. */
const keptBundles = 4

/** Makes the engine of one process. All codes that it loads are those of one site, and share its bucket of CPU. */
export function createIsolatedEngine(options: IsolatedEngineOptions): Engine {
  const prelude = preludeScript(options.prelude)
  const bundles = new Map<string, CachedScript>()
  const pace = options.pace ?? createPace()
  const turn = new Turn()
  let bucket: CpuBucket | undefined
  let blank: BlankIsolate | undefined

  function bundleOf(source: CodeSource): CachedScript {
    const known = bundles.get(source.bundle)
    if (known) return known
    const script = bundleScript(source.bundle)
    bundles.set(source.bundle, script)
    const [oldest] = bundles.keys()
    if (bundles.size > keptBundles && oldest !== undefined) bundles.delete(oldest)
    return script
  }

  function prepare(): void {
    const { heapMiB, startupMs } = warmUpSource.limits
    options.watch.enter(startupMs)
    try {
      blank ??= createBlankIsolate(prelude, heapMiB, startupMs)
    } catch {
      // The code that comes gets an isolate of its own, and is told what is wrong if that fails too.
    } finally {
      options.watch.leave()
    }
  }

  /** The isolate that waits, if its heap is what a code may have. */
  function takeBlank(heapMiB: number): BlankIsolate | undefined {
    const taken = blank
    blank = undefined
    if (!taken || taken.heapMiB === heapMiB) return taken
    taken.isolate.dispose()
    return undefined
  }

  return {
    name: 'isolated-vm',
    turn,
    warmUp() {
      const { cpuBucketMs, cpuRefillMsPerSecond } = warmUpSource.limits
      const own = createCpuBucket(cpuBucketMs, cpuRefillMsPerSecond, performance.now())
      const code = new IsolatedCode({
        source: warmUpSource,
        host: nobody,
        bucket: own,
        pace,
        turn,
        watch: options.watch,
      })
      try {
        code.start(prelude, bundleScript(warmUpSource.bundle))
        code.dispatch(1, warmUpRequest)
        if (!code.isGone) code.keepCompiled(prelude)
      } catch (thrown) {
        // A machine that is too busy for it: the first code is compiled when it comes.
        if (!(thrown instanceof LoadError)) throw thrown
      }
      code.dispose()
      prepare()
    },
    load(source: CodeSource, host: EngineHost): EngineIsolate {
      const { cpuBucketMs, cpuRefillMsPerSecond } = source.limits
      bucket ??= createCpuBucket(cpuBucketMs, cpuRefillMsPerSecond, performance.now())
      const waiting = takeBlank(source.limits.heapMiB)
      const code = new IsolatedCode({ source, host, bucket, pace, turn, watch: options.watch, blank: waiting })
      code.start(prelude, bundleOf(source))
      return code
    },
  }
}
