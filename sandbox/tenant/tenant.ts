/**
 * The inside of a tenant's process: codes of one site, the links of fronts, the link of the supervisor. It has no network, no
 * files and no secrets; whatever its site's code does to it, it can lose only what is that site's own.
 */

import type { Socket } from 'node:net'
import { limits as bounds } from '../../core/limits.ts'
import { frameTypes } from '../../core/sandbox-frames.ts'
import { tenantLimits } from '../../core/sandbox-limits.ts'
import { createFrameLink, type FrameLink } from '../../core/sandbox-link.ts'
import type { Loaded, LoadFailed } from '../../core/sandbox-messages.ts'
import { type CodeSource, type Engine, LoadError, type LoadFailure } from '../engine.ts'
import { createIsolatedEngine } from '../isolated/engine.ts'
import { createCodeReceiver } from './code-receiver.ts'
import type { ProcessWatch } from './entry-watch.ts'
import { readUnload } from './frame-json.ts'
import { serveFront } from './front-link.ts'
import { createRelay } from './relay.ts'
import { SiteCode } from './site-code.ts'
import { createSiteLog } from './site-log.ts'
import { createSubtle, type Subtle } from './subtle.ts'
import { createSupervisorPort } from './supervisor-port.ts'

/** What a tenant is made with. */
export interface TenantOptions {
  readonly supervisor: Socket
  readonly fronts: readonly Socket[]
  readonly watch: ProcessWatch
  /** Called when the supervisor is gone, with which nothing is left to do. */
  readonly over: () => void
}

const loadReasons: Readonly<Record<LoadFailure, LoadFailed['reason']>> = {
  exception: 'exception',
  syntax: 'invalid',
  startup: 'cpu',
  memory: 'memory',
  'no-handler': 'invalid',
}

/** Runs a tenant on its links. */
export function runTenant({ supervisor, fronts, watch, over }: TenantOptions): void {
  const codes = new Map<number, SiteCode>()
  /** Codes that are being given up: they finish what they have. */
  const leaving = new Set<SiteCode>()
  let beating: NodeJS.Timeout | undefined
  let engine: Engine | undefined
  let isResting = false
  let askedAtMs = performance.now()
  let subtle: Subtle | undefined
  const link: FrameLink = createFrameLink({ socket: supervisor, onFrame, onEnd: () => end() })
  const port = createSupervisorPort(link)
  const relay = createRelay(link)
  const receiver = createCodeReceiver(link, load)

  function onFrame(type: number, stream: number, payload: Buffer): void {
    if (!takeFrame(type, stream, payload)) link.fail(`a frame of type ${type} that makes no sense`)
  }

  function takeFrame(type: number, stream: number, payload: Buffer): boolean {
    if (type === frameTypes.prelude) {
      engine ??= createIsolatedEngine({ prelude: payload.toString('utf8'), watch })
      // A process that waits for its site has the time; one whose code is here already has not.
      setImmediate(() => codes.size === 0 && engine?.warmUp())
      return true
    }
    if (type === frameTypes.unload) return unload(payload)
    return stream % 2 === 0 ? receiver.take(type, stream, payload) : relay.take(type, stream, payload)
  }

  function load(stream: number, source: CodeSource): void {
    const { version, limits } = source
    asked()
    try {
      if (!engine) throw new LoadError('exception', plainError('the process has no prelude'))
      const before = codes.get(version)
      // One that is being given up makes way for itself anew.
      if (before && !leaving.has(before)) throw new LoadError('exception', plainError('the version is loaded already'))
      watch.setMemory(
        Math.max(limits.processMiB, ...[...codes.values()].map((code) => code.options.source.limits.processMiB)),
      )
      subtle ??= createSubtle(limits)
      const log = createSiteLog(version, limits, port)
      const code = new SiteCode({ source, engine, supervisor: port, relay, subtle, log })
      codes.set(version, code)
      const loaded: Loaded = { version, startupCpuMs: code.startupCpuMs, handlers: code.handlers.slice(0, 16) }
      link.write(frameTypes.loaded, stream, JSON.stringify(loaded))
    } catch (thrown) {
      if (!(thrown instanceof LoadError)) throw thrown
      link.write(frameTypes.failed, stream, JSON.stringify(loadFailed(thrown)))
    }
  }

  function unload(payload: Buffer): boolean {
    const unloading = readUnload(payload)
    if (!unloading) return false
    const code = codes.get(unloading.version)
    if (!code || leaving.has(code)) return true
    leaving.add(code)
    const close = () => {
      code.isClosed = true
      drain(unloading.version, code)
    }
    setTimeout(close, unloading.graceMs).unref()
    return true
  }

  /** Frees a code once its last request is over. */
  function drain(version: number, code: SiteCode): void {
    if (!leaving.has(code)) return
    if (code.isIdle) {
      code.close()
      leaving.delete(code)
      if (codes.get(version) === code) codes.delete(version)
    } else setTimeout(() => drain(version, code), bounds.sandboxProcess.beatMs).unref()
  }

  function all(): Set<SiteCode> {
    return new Set([...codes.values(), ...leaving])
  }

  /** Shows that the event loop turns, and looks at the clocks of requests. Seldom while there are none, as idle processes are many. */
  function beat(): void {
    link.write(frameTypes.beat, 0)
    const nowMs = performance.now()
    for (const code of all()) code.sweep(nowMs)
    const isIdle = nowMs - askedAtMs > tenantLimits.idleAfterMs && [...all()].every((code) => code.isIdle)
    isResting = isIdle
    beating = setTimeout(beat, isIdle ? tenantLimits.idleBeatMs : bounds.sandboxProcess.beatMs)
  }

  function asked(): void {
    askedAtMs = performance.now()
    if (!isResting) return
    isResting = false
    clearTimeout(beating)
    beating = setTimeout(beat, bounds.sandboxProcess.beatMs)
  }

  function end(): void {
    clearTimeout(beating)
    for (const front of links) front.close()
    for (const code of all()) code.close()
    codes.clear()
    leaving.clear()
    over()
  }

  const links = fronts.map((socket) => serveFront(socket, { get: (version) => codes.get(version), asked }))
  beat()
}

function plainError(message: string): { name: string; message: string; stack: string } {
  return { name: 'Error', message, stack: '' }
}

function loadFailed({ reason, error }: LoadError): LoadFailed {
  const { errorChars } = bounds.sandboxTenant
  return {
    reason: loadReasons[reason],
    message: `${error.name}: ${error.message}`.slice(0, errorChars),
    stack: error.stack.slice(0, errorChars),
  }
}
