/**
 * The parent, `grove serve`: binds the listening sockets, starts control and the fronts, and starts again what dies.
 *
 * It opens no store and parses nothing that comes from outside, so that there is little in it that can fail: while it
 * lives, the sockets live. Control tells it where to listen and with how many fronts.
 */

import { fork } from 'node:child_process'
import { extname, join } from 'node:path'
import type { Logger } from 'pino'
import { fromPlainError, GroveError, toPlainError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { ConfigSource } from '../core/load-config.ts'
import {
  type ControlToParent,
  controlToParentSchema,
  type ListenerName,
  type ParentToControl,
  type ProcessInfo,
} from '../core/messages.ts'
import { FrontSet } from './front-set.ts'
import { type BoundSocket, bindSockets, closeSockets } from './listening.ts'
import { type ChildExit, SupervisedChild } from './supervised-child.ts'
import { SupervisorChild, type SupervisorStart } from './supervisor-child.ts'

/** What the parent is started with. */
export interface ParentOptions {
  readonly source: ConfigSource
  readonly log: Logger
  /** Shows people what control says when all is up. Called once. */
  readonly tell: (banner: readonly string[]) => void
  /** Whether the terminal that it was started on is closed: then SIGHUP is a stop. Default: there is none. */
  readonly hungUp?: () => boolean
  /** The modules of the kinds of process. Default: those of this folder; where some are named, all that there are. */
  readonly entries?: { readonly control: string; readonly front: string; readonly supervisor?: string }
  /** Time that fronts get for what is under way when Grove stops. @default limits.drainMs */
  readonly drainMs?: number
}

type Apply = Extract<ControlToParent, { kind: 'apply' }>

const stopSignals: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT']

/**
 * Runs Grove until it is told to stop, and resolves with the exit code: 0 after an orderly stop, 128 and the signal's
 * number after a second signal. Rejects with control's error when the first start fails.
 */
export function runParent(options: ParentOptions): Promise<number> {
  return new Parent(options).run()
}

class Parent {
  readonly #options: ParentOptions
  readonly #log: Logger
  readonly #fronts: FrontSet
  readonly #control: SupervisedChild
  readonly #supervisor: SupervisorChild
  /** How sandboxes are to run. They begin when all is up: what they try out first would hold up the pages of everybody. */
  #sandboxes: SupervisorStart | undefined
  readonly #startedAtMs = Date.now()
  readonly #ended = Promise.withResolvers<number>()
  #applying: Promise<void> = Promise.resolve()
  #banner: readonly string[] | undefined
  #wasReady = false
  #told = false
  #stopping = false

  constructor(options: ParentOptions) {
    this.#options = options
    this.#log = options.log
    const extension = extname(import.meta.filename)
    const entries = options.entries ?? {
      control: join(import.meta.dirname, `control-process${extension}`),
      front: join(import.meta.dirname, `front-process${extension}`),
      supervisor: join(import.meta.dirname, `supervisor-process${extension}`),
    }
    this.#supervisor = new SupervisorChild({
      entry: entries.supervisor,
      log: this.#log,
      changed: () => this.#changed(),
    })
    this.#fronts = new FrontSet({ entry: entries.front, log: this.#log, changed: () => this.#changed() })
    this.#control = new SupervisedChild({
      kind: 'control',
      index: 0,
      fork: () =>
        fork(entries.control, [JSON.stringify(options.source)], {
          stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
          ...thrifty(),
        }),
      receive: (message) => this.#receive(message),
      started: () => this.#changed(),
      ended: (exit) => this.#controlEnded(exit),
      log: this.#log,
    })
  }

  async run(): Promise<number> {
    const onStop = (signal: NodeJS.Signals) => this.#stopBy(signal)
    const onHangUp = (signal: NodeJS.Signals) => {
      if (this.#options.hungUp?.()) this.#stopBy(signal)
      else this.#tellControl({ kind: 'reload' })
    }
    for (const signal of stopSignals) process.on(signal, onStop)
    process.on('SIGHUP', onHangUp)
    try {
      this.#control.start()
      return await this.#ended.promise
    } finally {
      for (const signal of stopSignals) process.off(signal, onStop)
      process.off('SIGHUP', onHangUp)
    }
  }

  #receive(raw: unknown): void {
    const parsed = controlToParentSchema.safeParse(raw)
    if (!parsed.success) {
      this.#log.error({ err: parsed.error }, 'control said what control never says; it is replaced')
      this.#control.kill()
      return
    }
    const message = parsed.data
    switch (message.kind) {
      case 'apply':
        this.#applying = this.#applying.then(() => this.#apply(message))
        break
      case 'ready':
        this.#control.cameUp()
        this.#wasReady = true
        this.#banner = message.banner
        this.#changed()
        break
      case 'failed':
        this.#failed(message)
        break
      case 'stop':
        this.#log.info('told to stop over the control socket')
        void this.#stop()
    }
  }

  /** Binds first and gives up last, so that at no moment a port that stays is closed. */
  async #apply({ id, listen, fronts, data, sandbox }: Apply): Promise<void> {
    if (this.#stopping) return
    try {
      const change = bindSockets(listen, this.#fronts.sockets, this.#log)
      await this.#fronts.change(change)
      closeSockets(change.dropped, change.sockets)
      this.#fronts.resize(fronts, data)
      const ports = portsOf(change.sockets)
      const port = ports.https ?? sandbox?.own.port ?? 0
      this.#sandboxes = sandbox && { data, settings: { ...sandbox, own: { ...sandbox.own, port } } }
      if (this.#told) this.#supervisor.use(this.#sandboxes)
      this.#tellControl({ kind: 'applied', id, ports })
    } catch (thrown) {
      this.#tellControl({ kind: 'applied', id, error: toPlainError(thrown) })
    }
  }

  #failed(failed: Extract<ControlToParent, { kind: 'failed' }>): void {
    const { code, message, hint } = failed
    // It ran before, so it may run again: the operator may be in the middle of an edit.
    if (this.#wasReady) this.#log.error({ code, hint }, `control cannot start: ${message}`)
    else void this.#abort(fromPlainError(failed))
  }

  #controlEnded(exit: ChildExit): 'restart' | 'leave' {
    if (this.#stopping) return 'leave'
    if (this.#wasReady) return 'restart'
    const how = exit.signal ? `was killed by ${exit.signal}` : `ended with code ${exit.code}`
    void this.#abort(new GroveError('ERR_INTERNAL', `the control process ${how} before it was ready`))
    return 'leave'
  }

  /** The first start failed: nothing serves yet, so nothing is drained. */
  async #abort(error: GroveError): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    const gone = Promise.all([
      this.#fronts.drain(0),
      this.#supervisor.stop(),
      this.#control.retire(limits.stop.graceMs),
    ])
    this.#fronts.kill()
    this.#supervisor.kill()
    await gone
    closeSockets(this.#fronts.sockets, [])
    this.#ended.reject(error)
  }

  #stopBy(signal: NodeJS.Signals): void {
    if (!this.#stopping) {
      this.#log.info({ signal }, 'stopping: finishing what is under way; a second signal ends at once')
      void this.#stop()
      return
    }
    this.#log.warn({ signal }, 'ended at once by a second signal')
    this.#fronts.kill()
    this.#supervisor.kill()
    this.#control.kill()
    this.#ended.resolve(signal === 'SIGINT' ? 130 : 143)
  }

  /** Fronts first: what they finish may still need site code, and that control. */
  async #stop(): Promise<void> {
    if (this.#stopping) return
    this.#stopping = true
    const drained = this.#fronts.drain(this.#options.drainMs ?? limits.drainMs)
    closeSockets(this.#fronts.sockets, [])
    await drained
    await this.#supervisor.stop()
    this.#tellControl({ kind: 'stop' })
    await this.#control.retire(limits.stop.controlMs)
    this.#log.info('stopped')
    this.#ended.resolve(0)
  }

  /** Tells control the processes, and people once that all is up. */
  #changed(): void {
    if (this.#stopping) return
    const processes: ProcessInfo[] = [
      { kind: 'serve', index: 0, pid: process.pid, startedAtMs: this.#startedAtMs, restarts: 0 },
      ...(this.#control.info ? [this.#control.info] : []),
      ...this.#supervisor.processes,
      ...this.#fronts.processes,
    ]
    this.#tellControl({ kind: 'processes', processes })
    if (this.#told || !this.#banner || !this.#fronts.serving) return
    this.#told = true
    this.#options.tell(this.#banner)
    this.#supervisor.use(this.#sandboxes)
  }

  #tellControl(message: ParentToControl): void {
    this.#control.send(message)
  }
}

function portsOf(sockets: readonly BoundSocket[]): Partial<Record<ListenerName, number>> {
  return Object.fromEntries(sockets.map(({ name, port }) => [name, port]))
}

/**
 * How control is kept small. By default V8 lets garbage pile up to several times what is in use before it looks, and
 * each thread has an arena of memory of its own that it gives back late: both are for speed that control, which serves no
 * visitor, does not need. With 20,000 sites that were all visited: 273 MiB in place of 574.
 */
function thrifty(): { readonly execArgv: string[]; readonly env: NodeJS.ProcessEnv } {
  return {
    execArgv: [...process.execArgv, '--max-semi-space-size=8', '--heap-growing-percent=25'],
    env: { MALLOC_ARENA_MAX: '2', ...process.env },
  }
}
