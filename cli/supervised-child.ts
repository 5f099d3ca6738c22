/** One child process of the parent: started, spoken to, and started again with growing pauses when it dies. */

import type { ChildProcess, SendHandle } from 'node:child_process'
import type { Logger } from 'pino'
import { limits } from '../core/limits.ts'
import type { ProcessInfo } from '../core/messages.ts'
import type { NativeHandle } from './listening.ts'

/** How a child ended: one of the two is set. */
export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** What a supervised child is made with. */
export interface SupervisedOptions {
  readonly kind: ProcessInfo['kind']
  readonly index: number
  /** Starts the process, with a channel to it. */
  readonly fork: () => ChildProcess
  readonly receive: (message: unknown) => void
  /** Called when it has started. */
  readonly started: () => void
  /** Called when it has ended; answers whether to start it again. */
  readonly ended: (exit: ChildExit) => 'restart' | 'leave'
  readonly log: Logger
}

/** A child process under supervision. */
export class SupervisedChild {
  readonly #options: SupervisedOptions
  #child: ChildProcess | undefined
  #restartTimer: NodeJS.Timeout | undefined
  #startedAtMs = 0
  #restarts = 0
  #failures = 0
  #retired = false
  #gone = Promise.resolve()

  constructor(options: SupervisedOptions) {
    this.#options = options
  }

  /** The process as others see it, or undefined while it is not running. */
  get info(): ProcessInfo | undefined {
    const pid = this.#child?.pid
    if (pid === undefined) return undefined
    const { kind, index } = this.#options
    return { kind, index, pid, startedAtMs: this.#startedAtMs, restarts: this.#restarts }
  }

  /** Starts the process. */
  start(): void {
    const child = this.#options.fork()
    this.#child = child
    this.#startedAtMs = Date.now()
    child.on('message', this.#options.receive)
    this.#gone = new Promise((resolve) => {
      const end = (exit: ChildExit) => {
        if (this.#child !== child) return
        this.#child = undefined
        resolve()
        this.#afterEnd(exit)
      }
      child.on('exit', (code, signal) => end({ code, signal }))
      child.on('error', (error) => {
        this.#options.log.error({ err: error }, `${this.#name} cannot be started or spoken to`)
        // A process that never ran has no exit event.
        if (child.pid === undefined) end({ code: null, signal: null })
      })
    })
    this.#options.started()
  }

  /**
   * Says that the process has come up. The pauses grow only while it does not: one that ran is wanted back at once, and
   * cannot come and go faster than it starts.
   */
  cameUp(): void {
    this.#failures = 0
  }

  /** Sends a message, with a socket if one is given. A child that is not there misses it: it is told all when it starts. */
  send(message: object, handle?: NativeHandle): void {
    if (!this.#child?.connected) return
    // The native handle is what Node's own cluster module sends; its type is not public.
    this.#child.send(message, handle as unknown as SendHandle | undefined, {}, (error) => {
      if (error) this.#options.log.debug({ err: error }, `${this.#name} went before a message reached it`)
    })
  }

  /** Restarts it no more. Resolves when the process is gone: after what it was told to finish, or killed `killAfterMs` later. */
  async retire(killAfterMs: number): Promise<void> {
    this.#retired = true
    clearTimeout(this.#restartTimer)
    const timer = setTimeout(() => {
      this.#options.log.warn({ pid: this.#child?.pid }, `${this.#name} did not end in time and is killed`)
      this.kill()
    }, killAfterMs)
    await this.#gone
    clearTimeout(timer)
  }

  /** Ends it at once. */
  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  get #name(): string {
    const { kind, index } = this.#options
    return kind === 'front' ? `front ${index}` : kind
  }

  #afterEnd(exit: ChildExit): void {
    const next = this.#options.ended(exit)
    if (this.#retired || next === 'leave') return
    const livedMs = Date.now() - this.#startedAtMs
    this.#failures += 1
    const waitMs = Math.min(limits.restart.firstMs * 2 ** (this.#failures - 1), limits.restart.longestMs)
    this.#options.log.error({ ...exit, livedMs, restartInMs: waitMs }, `${this.#name} ended; it is started again`)
    this.#restartTimer = setTimeout(() => {
      this.#restarts += 1
      this.start()
    }, waitMs)
  }
}
