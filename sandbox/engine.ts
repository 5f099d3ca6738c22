/**
 * What runs site code inside a tenant's process. isolated-vm is one engine (isolated/); another runtime can stand beside it
 * if it has these three: it loads a code, it takes events for it, and it calls back.
 *
 * The engine knows the guest, the clock and the CPU; it knows nothing of frames, links and where answers go.
 */

import type { SandboxLimits } from '../core/sandbox-limits.ts'
import type { BridgeValue } from './bridge.ts'
import type { AnswerHead, GuestError } from './bridge-shapes.ts'

/** The code of one version, and what it may use. */
export interface CodeSource {
  readonly site: string
  readonly version: number
  /** A script that leaves its exports in the variable `siteName` of bridge.ts. */
  readonly bundle: string
  /** Variables, and placeholders of secrets. Keyed by name. */
  readonly vars: Readonly<Record<string, string>>
  /** Checked modules of WebAssembly. */
  readonly wasm: readonly { readonly name: string; readonly bytes: Uint8Array }[]
  readonly assets: boolean
  readonly data: boolean
  readonly limits: SandboxLimits
}

/** A request, as an engine takes it. */
export interface EngineRequest {
  readonly method: string
  /** Absolute. */
  readonly url: string
  /** Flat, names in lower case. */
  readonly headers: readonly string[]
  readonly hasBody: boolean
  readonly isUpgrade: boolean
  /** What visitors and log lines call it. */
  readonly requestId: string
}

/** Which limit was reached, by how much, and where: what the author is told. */
export interface Breach {
  /** `cpuMs`, `entryMs`, `heapMiB`, … of core/sandbox-limits.ts. */
  readonly limit: string
  readonly value: number
  readonly bound: number
  /** Where in the site's code, as far as it is known; `''` if not. */
  readonly place: string
}

/** What an engine calls. None of these may throw, and none may call into the engine's isolate before it has returned. */
export interface EngineHost {
  /** The answers are those of `ops` in bridge.ts. */
  respond(id: number, head: AnswerHead, headText: string, body: string | Uint8Array | undefined, more: boolean): number
  /** An answer that cannot be sent; `reason` says why. */
  refuse(id: number, reason: string): void
  send(id: number, chunk: string | Uint8Array): number
  end(id: number): number
  abort(id: number, error: GuestError): number
  pull(id: number): Uint8Array | number
  pullText(id: number, mostBytes: number): string | number
  cancelBody(id: number): number
  fail(id: number, kind: number, error: GuestError, pass: boolean): number
  done(id: number): number
  start(owner: number, kind: number, args: string, bytes: Uint8Array | string | undefined): number
  stop(id: number): number
  log(owner: number, level: number, text: string): number
  report(owner: number, error: GuestError): number
  message(id: number, message: string | Uint8Array): number
  closeSocket(id: number, code: number, reason: string): number
  /** A request has reached a limit and gets no entry any more. */
  breach(id: number, breach: Breach): void
  /** The isolate is not to be given new requests: an entry was ended in its middle. Those under way go on. */
  unfit(): void
  /** The isolate is gone, with all that was under way in it. */
  lost(breach: Breach): void
}

/** A loaded code. */
export interface EngineIsolate {
  /** What loading took. */
  readonly startupCpuMs: number
  /** Names of the handlers that the code has. */
  readonly handlers: readonly string[]
  /** Whether it is gone. */
  readonly isGone: boolean
  /** Gives it a request under a number that it has never had. */
  dispatch(id: number, request: EngineRequest): void
  /** Gives it something for a request or an operation; charged to the request `owner`. */
  deliver(id: number, owner: number, kind: number, payload?: BridgeValue, bytes?: BridgeValue): void
  /** Charges a request for what is done for it outside the isolate. */
  charge(id: number, ms: number): void
  /** A request gets its allowance of CPU anew: a message of its WebSocket is as good as a request. */
  renew(id: number): void
  /** A request is over: nothing is charged to it any more. Its timers are gone. */
  forget(id: number): void
  /** Does something once nothing runs in it: at once, or after the entry that is being made. */
  afterEntry(act: () => void): void
  /** CPU that a request has used, in ms; 0 when it is forgotten. */
  cpuMs(id: number): number
  /** Bytes of its heap and of buffers beside it, now. */
  memoryBytes(): number
  /** Ends it and frees its memory. Nothing is called back after that. */
  dispose(): void
}

/** Why code could not be loaded. */
export class LoadError extends Error {
  override readonly name = 'LoadError'
  /** `exception`, `syntax`, `startup`, `memory`, `no-handler`. */
  readonly reason: LoadFailure
  readonly error: GuestError
  constructor(reason: LoadFailure, error: GuestError) {
    super(error.message)
    this.reason = reason
    this.error = error
  }
}

/** The kinds of a {@link LoadError}. */
export type LoadFailure = 'exception' | 'syntax' | 'startup' | 'memory' | 'no-handler'

/** A turn of the event loop, as far as its entries are concerned. */
export interface EngineTurn {
  /** Whether entries have taken enough of it: others come in the next. */
  readonly isOver: boolean
  /** Does something when the next one begins. For a turn that is over; whoever calls it does so once for each turn. */
  next(act: () => void): void
}

/** A runtime for site code. */
export interface Engine {
  readonly name: string
  readonly turn: EngineTurn
  /** Does what can be done before there is a code, so that the first one loads soon. */
  warmUp(): void
  /** Loads a code. It takes the thread for `limits.startupMs` at most, and the watchdog ends the process soon after. Throws {@link LoadError}. */
  load(source: CodeSource, host: EngineHost): EngineIsolate
}

/** Tells the watchdog when the thread is inside an isolate, and how long it may be. */
export interface EntryWatch {
  enter(limitMs: number): void
  leave(): void
}
