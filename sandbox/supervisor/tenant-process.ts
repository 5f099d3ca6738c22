/**
 * One tenant process, from its start to its end. It serves one site or none yet, and never another; whatever it sends
 * may be a lie, and what cannot be ends it.
 */

import type { Socket } from 'node:net'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { SiteName, VersionNumber } from '../../core/names.ts'
import { setNewest } from '../../core/newest.ts'
import { frameTypes } from '../../core/sandbox-frames.ts'
import { defaultSandboxLimits } from '../../core/sandbox-limits.ts'
import { createFrameLink, type FrameLink } from '../../core/sandbox-link.ts'
import type { LogLine, Op, OpKind, RequestUsage } from '../../core/sandbox-messages.ts'
import type { TenantInfo } from '../../core/supervisor-messages.ts'
import { type CodeLoads, createCodeLoads } from './code-loads.ts'
import type { CodeContents, LoadedCode } from './codes.ts'
import { keepLastWords } from './last-words.ts'
import type { Launched, Launcher } from './launch.ts'
import type { Operations } from './operations.ts'
import { createOwnFrames } from './own-frames.ts'
import { endOf, type ProcessEnd } from './process-end.ts'
import { type ProcessStats, readProcessStats } from './process-stats.ts'
import { createTenantOperations, type TenantOperations } from './tenant-operations.ts'
import { createWatch } from './watch.ts'

/** What is told of a process. None of these may throw. */
export interface TenantEvents {
  log(process: TenantProcess, line: LogLine): void
  /** Lines were left out because there were too many; told at most once a second. */
  logLost(process: TenantProcess, lines: number): void
  usage(process: TenantProcess, usage: RequestUsage): void
  /** CPU that was used since the last time, and memory that is used. */
  spent(process: TenantProcess, cpuMs: number, rssBytes: number): void
  /** An operation of a kind has begun, or bytes of bodies went out of the process, and into it. */
  counted(process: TenantProcess, kind: OpKind, begun: number, outBytes: number, inBytes: number): void
  /** The host itself could not do an operation. */
  failed(process: TenantProcess, error: unknown, op: Op): void
  /** It is over: nothing is to be given to it any more. Its process may still be dying. */
  over(process: TenantProcess, end: ProcessEnd): void
  /**
   * The process is gone. `errors`: the end of what it said on standard error. `stragglers`: processes that it has left
   * behind, which are gone too.
   */
  gone(process: TenantProcess, errors: string, stragglers: number): void
}

/** What a process is made with. */
export interface TenantProcessOptions {
  /** Names it, as long as the supervisor runs. */
  readonly id: string
  readonly launcher: Launcher
  /** The guest's prelude, see isolated/prelude-bundle.ts. */
  readonly prelude: string
  /** A socket for each front, keyed by the front's process id. */
  readonly links: ReadonlyMap<number, Socket>
  readonly operations: Operations
  readonly events: TenantEvents
}

const tightest = { burst: limits.sandboxTenant.burst, perSecond: limits.sandboxTenant.perSecond }

/** One tenant process. */
export class TenantProcess {
  readonly id: string
  /** The fronts that have a link with it. */
  readonly fronts: ReadonlySet<number>
  /** Resolves with its first sign of life. Rejects when it ends before. */
  readonly ready: Promise<void>
  /** Resolves when the process is gone. */
  readonly gone: Promise<void>
  /** Codes that are loaded in it. */
  readonly codes = new Map<VersionNumber, LoadedCode>()
  /** When it was last asked for, and requests under way in it by front, as the fronts say. */
  usedAtMs = performance.now()
  readonly underWay = new Map<number, number>()
  site: SiteName | undefined
  /** Set when another takes its place: it finishes what it has, until then. */
  drainUntilMs: number | undefined
  /** Codes that were unloaded lately: what is under way with them may still need the host. */
  readonly #leaving = new Map<VersionNumber, LoadedCode>()
  readonly #options: TenantProcessOptions
  readonly #launched: Launched
  readonly #link: FrameLink
  readonly #loads: CodeLoads
  readonly #operations: TenantOperations
  readonly #watch
  readonly #startedAtMs = performance.now()
  readonly #startTimer: NodeJS.Timeout
  readonly #becameReady = Promise.withResolvers<void>()
  readonly #wentAway = Promise.withResolvers<void>()
  readonly #takeOwn: (type: number, payload: Buffer) => string | undefined
  #isReady = false
  #end: ProcessEnd | undefined
  #stats: ProcessStats = { cpuMs: 0, rssBytes: 0 }
  #lookAtMs = 0

  /** Starts it. Throws what the system says when it cannot be started. */
  constructor(options: TenantProcessOptions) {
    const { id, launcher, prelude, links, operations, events } = options
    this.#options = options
    this.id = id
    this.fronts = new Set(links.keys())
    this.ready = this.#becameReady.promise
    this.ready.catch(() => {})
    this.gone = this.#wentAway.promise
    this.#launched = launcher.launch(id, [...links.values()], this.#memoryBytes)
    this.#watch = createWatch(this.#startedAtMs)
    this.#takeOwn = createOwnFrames({
      beat: (nowMs) => this.#beat(nowMs),
      log: (line) => events.log(this, line),
      logLost: (lines) => events.logLost(this, lines),
      usage: (usage) => events.usage(this, usage),
    })
    this.#link = createFrameLink({
      socket: this.#launched.link,
      budget: tightest,
      onFrame: (type, stream, payload) => this.#take(type, stream, payload),
      onEnd: (fault) => this.#linkEnded(fault),
    })
    this.#link.write(frameTypes.prelude, 0, prelude)
    this.#loads = createCodeLoads(this.#link, () => this.#tooLate('did not load its code'))
    this.#operations = createTenantOperations({
      process: id,
      link: this.#link,
      operations,
      codeOf: (version) => this.codeOf(version),
      count: (kind, begun, outBytes, inBytes) => events.counted(this, kind, begun, outBytes, inBytes),
      failed: (error, op) => events.failed(this, error, op),
    })
    this.#startTimer = setTimeout(() => this.#tooLate('did not start'), limits.sandboxProcess.startMs)
    this.#awaitExit()
  }

  get pid(): number {
    return this.#launched.pid
  }

  /** Why it is over; undefined while it is not. */
  get end(): ProcessEnd | undefined {
    return this.#end
  }

  /** Whether the first sign of life has come, and it is not over. */
  get isReady(): boolean {
    return this.#isReady && !this.#end
  }

  /** Whether anything is under way in it, as far as fronts and the supervisor know. */
  get isBusy(): boolean {
    if (this.#loads.size > 0 || this.#operations.size > 0) return true
    for (const count of this.underWay.values()) if (count > 0) return true
    return false
  }

  /** A code that it has, or has had until lately. */
  codeOf(version: VersionNumber): LoadedCode | undefined {
    return this.codes.get(version) ?? this.#leaving.get(version)
  }

  /** Gives it a code. See {@link CodeLoads.load}. */
  async load(contents: CodeContents): Promise<void> {
    if (this.#end) throw new GroveError('ERR_CLOSED', 'the process has ended')
    const { code } = contents
    // Operations may come before the answer, and only for what was given to it.
    this.codes.set(code.version, code)
    try {
      const loaded = await this.#loads.load(contents)
      this.usedAtMs = performance.now()
      if (!loaded.handlers.includes('fetch')) throw noHandler(code)
    } catch (error) {
      this.codes.delete(code.version)
      throw error
    }
  }

  /** Takes a code from it. Requests that are under way with it are finished, and their operations still done. */
  unload(version: VersionNumber): void {
    const code = this.codes.get(version)
    if (!code || this.#end) return
    this.codes.delete(version)
    setNewest(this.#leaving, version, code, limits.sandboxTenant.codes)
    this.#loads.unload(version)
  }

  /** What the watch does, as often as is due. */
  look(nowMs: number): void {
    if (this.#end || nowMs < this.#lookAtMs) return
    const { workingMs, watchMs, idleWatchMs } = limits.sandboxProcess
    const isWorking = !this.#isReady || this.isBusy || nowMs - this.usedAtMs < workingMs
    this.#lookAtMs = nowMs + (isWorking ? watchMs : idleWatchMs) * 0.9
    const stats = this.#readStats()
    if (!stats) return
    const end = this.#watch.look(stats, nowMs, {
      memoryBytes: this.#memoryBytes,
      isHeld: this.#link.isHeld || !this.#isReady,
      isEmpty: this.#isReady && this.codes.size === 0 && !this.isBusy,
    })
    if (end) this.stop(end)
  }

  /** Ends it at once. Does nothing if it is over. */
  stop(end: ProcessEnd): void {
    this.#readStats()
    this.#finish(end)
    this.#launched.kill()
  }

  get info(): TenantInfo {
    const state = !this.#isReady ? 'starting' : !this.site ? 'spare' : this.drainUntilMs ? 'draining' : 'serving'
    return {
      process: this.id,
      pid: this.pid,
      ...(this.site !== undefined && { site: this.site }),
      versions: [...this.codes.keys()],
      state,
      startedAtMs: Math.round(performance.timeOrigin + this.#startedAtMs),
      rssBytes: this.#stats.rssBytes,
      cpuMs: this.#stats.cpuMs,
    }
  }

  /** The bound of the tier, the largest of the codes in it. */
  get #memoryBytes(): number {
    let mostMiB = this.codes.size === 0 ? defaultSandboxLimits.processMiB : 0
    for (const { limits: tier } of this.codes.values()) mostMiB = Math.max(mostMiB, tier.processMiB)
    return mostMiB * 2 ** 20
  }

  #readStats(): ProcessStats | undefined {
    const stats = readProcessStats(this.pid)
    if (!stats || this.#end) return stats
    this.#options.events.spent(this, Math.max(0, stats.cpuMs - this.#stats.cpuMs), stats.rssBytes)
    this.#stats = stats
    return stats
  }

  #tooLate(what: string): void {
    this.stop({ reason: 'silent', detail: `it ${what} in time` })
  }

  #take(type: number, stream: number, payload: Buffer): void {
    const fault = stream === 0 ? this.#takeOwn(type, payload) : this.#takeStream(type, stream, payload)
    if (fault !== undefined) this.#link.fail(fault)
  }

  #takeStream(type: number, stream: number, payload: Buffer): string | undefined {
    return (stream % 2 === 0 ? this.#loads : this.#operations).take(type, stream, payload)
  }

  #beat(nowMs: number): void {
    this.#watch.beat(nowMs)
    if (this.#isReady) return
    this.#isReady = true
    clearTimeout(this.#startTimer)
    this.#becameReady.resolve()
  }

  #linkEnded(fault: string | undefined): void {
    if (this.#end) return
    if (fault !== undefined) {
      this.stop({ reason: 'protocol', detail: fault })
      return
    }
    // It is dying, as a rule: how, the system will tell. One that lives on without its link is of no use.
    const timer = setTimeout(
      () => this.stop({ reason: 'protocol', detail: 'it has closed its link' }),
      limits.sandboxProcess.linkEndMs,
    )
    void this.gone.then(() => clearTimeout(timer))
  }

  #awaitExit(): void {
    const { child, group, errors, release } = this.#launched
    const words = keepLastWords(errors)
    child.on('error', () => {}) // It could not be killed, as it is gone.
    child.once('exit', async (code, signal) => {
      await words.settled()
      this.#finish(endOf({ code, signal, errors: words.text, ranOutOfMemory: group?.ranOutOfMemory ?? false }))
      const stragglers = await release()
      this.#wentAway.resolve()
      this.#options.events.gone(this, words.text, stragglers)
    })
  }

  #finish(end: ProcessEnd): void {
    if (this.#end) return
    this.#end = end
    clearTimeout(this.#startTimer)
    this.#link.close()
    this.#loads.close()
    this.#operations.close()
    this.#becameReady.reject(new GroveError('ERR_CLOSED', `the process has ended: ${end.detail}`))
    this.#options.events.over(this, end)
  }
}

function noHandler({ site, version }: LoadedCode): GroveError {
  return new GroveError('ERR_SITE_CODE', `the code of ${site}@${version} has no fetch handler`)
}
