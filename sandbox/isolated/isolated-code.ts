/** One isolate with a loaded code in it: its entries, its clock, its end. */

import type ivm from 'isolated-vm'
import { HeldMap } from '../../core/held-map.ts'
import { type SandboxLimits, tenantLimits } from '../../core/sandbox-limits.ts'
import { type BridgeValue, deliveries, requestFlags, siteFilename } from '../bridge.ts'
import type { CodeSource, EngineHost, EngineIsolate, EngineRequest, EntryWatch } from '../engine.ts'
import { CpuAccount, type CpuBucket, type Pace } from './budget.ts'
import { type CallScope, createHostCall } from './calls.ts'
import { entryTimeoutMs } from './entry-timeout.ts'
import { placeOf, thrownError } from './guest-error.ts'
import { GuestTimers } from './guest-timers.ts'
import { IsolateClock } from './isolate-clock.ts'
import { givenAway, type LoadOutcome, loadGuest, timedOut } from './loading.ts'
import { type BlankIsolate, createIsolate, type EntryArgument, type GuestReferences } from './prelude.ts'
import { type CachedScript, compileWarm } from './script.ts'
import { createDecoders } from './text-calls.ts'
import type { Turn } from './turn.ts'

/** What an isolate is made with. */
export interface IsolatedCodeOptions {
  readonly source: CodeSource
  readonly host: EngineHost
  readonly bucket: CpuBucket
  readonly pace: Pace
  /** The same for all isolates of a process. */
  readonly turn: Turn
  readonly watch: EntryWatch
  /** An isolate to use, with the heap that the source's limits allow. @default a new one */
  readonly blank?: BlankIsolate | undefined
}

/** Names of handlers that are longer are none that anybody calls. */
const longestName = 64

/** An isolate and the code in it. */
export class IsolatedCode implements EngineIsolate {
  startupCpuMs = 0
  handlers: readonly string[] = []
  isGone = false
  readonly #options: IsolatedCodeOptions
  readonly #limits: SandboxLimits
  readonly #isolate: ivm.Isolate
  readonly #decoders = createDecoders()
  /** Requests that are charged. Keyed by number. */
  readonly #accounts = new HeldMap<number, CpuAccount>()
  #guest: GuestReferences | undefined
  readonly #clock: IsolateClock
  #isInside = false
  #isDraining = false
  /** Whether an entry was stopped in its middle. */
  #wasStopped = false
  /** Whether it goes on when the next turn begins. */
  #isPutOff = false
  /** Entries that were asked for while the isolate was entered, or when the turn was over. */
  #waiting: (() => void)[] = []
  readonly #timers = new GuestTimers(this.#accounts, (owner, nowMs) => this.#enter(owner, 'tick', [owner, nowMs]))

  constructor(options: IsolatedCodeOptions) {
    this.#options = options
    this.#limits = options.source.limits
    this.#isolate = options.blank?.isolate ?? createIsolate(this.#limits.heapMiB)
    this.#clock = new IsolateClock(this.#isolate)
  }

  /** Runs the prelude and the code. Throws `LoadError`; everything is freed then. */
  start(prelude: CachedScript, bundle: CachedScript): void {
    const { watch, bucket, source, pace, turn, blank } = this.#options
    const startupMs = Math.ceil(this.#limits.startupMs * pace.factor)
    const startedAt = performance.now()
    const outcome: LoadOutcome = {}
    const call = this.#clock.counted(createHostCall(this.#scope(outcome)))
    this.#isInside = true
    watch.enter(startupMs)
    try {
      this.#guest = loadGuest({ isolate: this.#isolate, source, call, prelude, bundle, outcome, startupMs, blank })
      this.handlers = (outcome.handlers ?? '').split(',').filter((name) => name !== '' && name.length <= longestName)
    } finally {
      watch.leave()
      this.#isInside = false
      this.startupCpuMs = this.#clock.takeMs(performance.now() - startedAt)
      pace.note(performance.now() - startedAt, this.startupCpuMs)
      turn.count(performance.now() - startedAt)
      bucket.take(this.startupCpuMs, performance.now())
      if (!this.#guest) this.dispose()
    }
    this.#drain()
  }

  #scope(outcome: LoadOutcome): CallScope {
    return {
      limits: this.#limits,
      host: this.#options.host,
      decoders: this.#decoders,
      isOwner: (id) => this.#accounts.has(id),
      setTimer: (owner, dueMs) => this.#timers.set(owner, dueMs),
      loaded: (handlers) => {
        outcome.handlers ??= handlers
      },
      loadFailed: (error) => {
        outcome.error ??= error
      },
    }
  }

  dispatch(id: number, request: EngineRequest): void {
    const { method, url, headers, hasBody, isUpgrade, requestId } = request
    this.#accounts.set(id, new CpuAccount(this.#limits.cpuMs, this.#options.bucket))
    const flags = (hasBody ? requestFlags.hasBody : 0) + (isUpgrade ? requestFlags.isUpgrade : 0)
    this.#enter(id, 'dispatch', [id, method, url, headers.join('\n'), flags, requestId])
  }

  deliver(id: number, owner: number, kind: number, payload?: BridgeValue, bytes?: BridgeValue): void {
    this.#enter(owner, 'deliver', [id, kind, crossing(payload), crossing(bytes)], kind === deliveries.over)
  }

  /** Keeps the compiled form of a script with what was called of it here. */
  keepCompiled(script: CachedScript): void {
    compileWarm(this.#isolate, script)
  }

  charge(id: number, ms: number): void {
    this.#accounts.get(id)?.charge(ms, performance.now())
  }

  renew(id: number): void {
    this.#accounts.get(id)?.renew()
  }

  forget(id: number): void {
    this.#accounts.delete(id)
    this.#decoders.forget(id)
  }

  afterEntry(act: () => void): void {
    if (this.#isInside) this.#waiting.push(act)
    else act()
  }

  cpuMs(id: number): number {
    return this.#accounts.get(id)?.usedMs ?? 0
  }

  /**
   * What its heap holds, in bytes; 0 where that cannot be asked. To ask is an entry too: ivm then runs what waits in the queue
   * of promises. After an entry that ended by itself nothing does; after one that was stopped the rest of it does, so such
   * an isolate is not asked. It is watched all the same, and what it throws is nobody's.
   */
  memoryBytes(): number {
    if (this.isGone || this.#isInside || this.#wasStopped) return 0
    const { watch } = this.#options
    watch.enter(this.#limits.entryMs)
    try {
      const { used_heap_size, externally_allocated_size } = this.#isolate.getHeapStatisticsSync()
      return used_heap_size + externally_allocated_size
    } catch {
      return 0
    } finally {
      watch.leave()
    }
  }

  dispose(): void {
    this.isGone = true
    this.#timers.close()
    this.#accounts.clear()
    this.#waiting = []
    if (this.#isInside) setImmediate(() => this.dispose())
    else if (!this.#isolate.isDisposed) {
      // Freeing a heap takes time, and must not hang: it is watched as an entry is.
      this.#options.watch.enter(this.#limits.startupMs)
      this.#isolate.dispose()
      this.#options.watch.leave()
    }
  }

  /**
   * The only way into the isolate. Entries never nest: what is asked for meanwhile, by calls that the guest makes, comes
   * afterwards. `isLast` lets a request in that has used up its CPU, so that the guest forgets it.
   */
  #enter(owner: number, entry: 'dispatch' | 'deliver' | 'tick', args: EntryArgument[], isLast = false): void {
    if (this.#isInside || this.#options.turn.isOver || (this.#waiting.length > 0 && !this.#isDraining)) {
      if (this.#waiting.length < tenantLimits.waitingDeliveries)
        this.#waiting.push(() => this.#enter(owner, entry, args, isLast))
      if (this.#options.turn.isOver) this.#putOff()
      return
    }
    const account = this.#accounts.get(owner)
    if (!account || !this.#guest || this.isGone) return
    const startedAt = performance.now()
    const leftMs = account.leftMs(startedAt)
    if (leftMs <= 0 && !isLast) {
      const { usedMs } = account
      this.#options.host.breach(owner, { limit: 'cpuMs', value: usedMs, bound: usedMs, place: '' })
      return
    }
    const { pace } = this.#options
    const longestMs = Math.min(this.#limits.entryMs, Math.max(tenantLimits.leastEntryMs, leftMs))
    const timeout = entryTimeoutMs(startedAt, longestMs * pace.factor)
    const outcome = this.#run(this.#guest[entry], args, timeout)
    const endedAt = performance.now()
    const wallMs = endedAt - startedAt
    this.#options.turn.count(wallMs)
    pace.note(wallMs, outcome.cpuMs)
    account.charge(outcome.cpuMs, endedAt)
    if (outcome.hasThrown) this.#settle(owner, outcome, { wallMs, timeout, longestMs })
    this.#drain()
  }

  #run(entry: GuestReferences['deliver'], args: EntryArgument[], timeout: number): EntryOutcome {
    const { watch } = this.#options
    const startedAt = performance.now()
    this.#isInside = true
    watch.enter(timeout)
    let hasThrown = false
    let thrown: unknown
    try {
      entry.applySync(undefined, args, { timeout })
    } catch (error) {
      hasThrown = true
      thrown = error
    }
    watch.leave()
    this.#isInside = false
    return { hasThrown, thrown, cpuMs: this.#clock.takeMs(performance.now() - startedAt) }
  }

  /**
   * What an entry came to that did not end by itself, or left a rejection behind that nobody handles. isolated-vm holds such
   * a promise weakly, so one that nobody else holds is lost where memory is collected before the entry ends.
   */
  #settle(owner: number, { thrown, cpuMs }: EntryOutcome, { wallMs, timeout, longestMs }: EntryTimes): void {
    const { host } = this.#options
    if (this.#isolate.isDisposed) {
      const isFirst = !this.isGone
      this.dispose()
      const { heapMiB } = this.#limits
      if (isFirst) host.lost({ limit: 'heapMiB', value: heapMiB, bound: heapMiB, place: '' })
      return
    }
    const error = thrownError(thrown)
    if (error.message !== timedOut || wallMs < timeout - 1) {
      host.report(owner, error)
      return
    }
    // What it was in the middle of is not known, be it the site's or the prelude's: no new request sees such an isolate.
    this.#wasStopped = true
    host.unfit()
    const place = placeOf(error.stack, siteFilename)
    const { usedMs = 0 } = this.#accounts.get(owner) ?? {}
    if (longestMs < this.#limits.entryMs)
      host.breach(owner, { limit: 'cpuMs', value: usedMs, bound: usedMs - cpuMs + longestMs, place })
    else host.breach(owner, { limit: 'entryMs', value: wallMs, bound: longestMs, place })
  }

  /** Makes the entries that were asked for meanwhile, as long as the turn lasts. */
  #drain(): void {
    if (this.#isDraining || this.#isInside || this.isGone) return
    const { turn } = this.#options
    this.#isDraining = true
    while (!turn.isOver) {
      const next = this.#waiting.shift()
      if (!next) break
      next()
    }
    this.#isDraining = false
    if (this.#waiting.length > 0) this.#putOff()
  }

  #putOff(): void {
    if (this.#isPutOff) return
    this.#isPutOff = true
    this.#options.turn.next(() => {
      this.#isPutOff = false
      this.#drain()
    })
  }
}

function crossing(value: BridgeValue): EntryArgument {
  return value instanceof Uint8Array ? givenAway(value) : value
}

/** What an entry took by the clock, where it was ended, and how long it may take where the machine is not busy. */
interface EntryTimes {
  readonly wallMs: number
  readonly timeout: number
  readonly longestMs: number
}

/** How an entry ended. */
interface EntryOutcome {
  readonly hasThrown: boolean
  readonly thrown: unknown
  readonly cpuMs: number
}
