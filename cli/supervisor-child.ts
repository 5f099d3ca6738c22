/** The supervisor of sandboxes as the parent sees it: one process, if there is to be any, started anew with other settings. */

import { fork } from 'node:child_process'
import type { Logger } from 'pino'
import { limits } from '../core/limits.ts'
import type { ProcessInfo } from '../core/messages.ts'
import { type ParentToSupervisor, type SupervisorSettings, supervisorToParentSchema } from '../core/supervisor-start.ts'
import { SupervisedChild } from './supervised-child.ts'

/** What it is made with. */
export interface SupervisorChildOptions {
  /** The module that it runs; undefined where there is none. */
  readonly entry: string | undefined
  readonly log: Logger
  /** Called when it started or ended. */
  readonly changed: () => void
}

/** How it is started. */
export interface SupervisorStart {
  readonly data: string
  readonly settings: SupervisorSettings
}

/** One process, or none. */
export class SupervisorChild {
  readonly #options: SupervisorChildOptions
  #child: SupervisedChild | undefined
  /** What it was started with. */
  #startedWith: string | undefined
  /** Those before it, on their way out. */
  readonly #retiring = new Map<SupervisedChild, Promise<void>>()
  #isStopping = false

  constructor(options: SupervisorChildOptions) {
    this.#options = options
  }

  /** The process that runs now, if one does. */
  get processes(): ProcessInfo[] {
    const info = this.#child?.info
    return info ? [info] : []
  }

  /** Has it run with these settings; undefined: not at all. */
  use(start: SupervisorStart | undefined): void {
    const { entry } = this.#options
    const wanted = start && entry !== undefined ? JSON.stringify(start) : undefined
    if (this.#isStopping || wanted === this.#startedWith) return
    this.#startedWith = wanted
    this.#retire()
    // The one before has the socket until it is gone.
    if (entry !== undefined && wanted !== undefined)
      void this.#gone().then(() => {
        if (this.#startedWith === wanted && !this.#isStopping && !this.#child) this.#start(entry, wanted)
      })
  }

  /** Ends it for good. Resolves when it is gone. */
  async stop(): Promise<void> {
    this.#isStopping = true
    this.#retire()
    await this.#gone()
  }

  /** Ends it at once. */
  kill(): void {
    for (const child of [this.#child, ...this.#retiring.keys()]) child?.kill()
  }

  #start(entry: string, argument: string): void {
    const { log, changed } = this.#options
    const child: SupervisedChild = new SupervisedChild({
      kind: 'supervisor',
      index: 0,
      fork: () => fork(entry, [argument], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
      receive: (raw) => {
        if (supervisorToParentSchema.safeParse(raw).data?.kind === 'ready') child.cameUp()
      },
      started: changed,
      ended: () => {
        changed()
        return 'restart'
      },
      log,
    })
    this.#child = child
    child.start()
  }

  #retire(): void {
    const child = this.#child
    this.#child = undefined
    if (!child) return
    child.send({ kind: 'stop' } satisfies ParentToSupervisor)
    const gone = child.retire(limits.stop.graceMs).finally(() => this.#retiring.delete(child))
    this.#retiring.set(child, gone)
  }

  async #gone(): Promise<void> {
    await Promise.all(this.#retiring.values())
  }
}
