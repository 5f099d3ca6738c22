/** The fronts as the parent sees them: so many processes, each with all listening sockets. */

import { type ChildProcess, fork } from 'node:child_process'
import type { Logger } from 'pino'
import { limits } from '../core/limits.ts'
import { frontToParentSchema, type ParentToFront, type ProcessInfo } from '../core/messages.ts'
import type { BoundSocket, SocketChange } from './listening.ts'
import { SupervisedChild } from './supervised-child.ts'

/** What the fronts are made with. */
export interface FrontSetOptions {
  /** The module that a front runs. */
  readonly entry: string
  readonly log: Logger
  /** Called when a front started, ended, or began to accept. */
  readonly changed: () => void
}

interface Slot {
  readonly index: number
  readonly child: SupervisedChild
  ready: boolean
  /** Keys of the sockets that it accepts from. */
  readonly listening: Set<string>
}

/** All fronts. */
export class FrontSet {
  readonly #options: FrontSetOptions
  readonly #slots: Slot[] = []
  readonly #retiring = new Map<SupervisedChild, Promise<void>>()
  readonly #waiting = new Set<() => void>()
  #sockets: readonly BoundSocket[] = []
  #stopping = false

  constructor(options: FrontSetOptions) {
    this.#options = options
  }

  /** The sockets that every front accepts from. */
  get sockets(): readonly BoundSocket[] {
    return this.#sockets
  }

  /** The fronts that run now. */
  get processes(): ProcessInfo[] {
    return this.#slots.flatMap(({ child }) => child.info ?? [])
  }

  /** Whether at least one front accepts from every socket. */
  get serving(): boolean {
    return this.#slots.some((slot) => this.#sockets.every(({ key }) => slot.listening.has(key)))
  }

  /** Starts fronts, or lets the last ones finish and end, until there are `count`. */
  resize(count: number, data: string): void {
    if (this.#stopping) return
    while (this.#slots.length < count) this.#add(data)
    for (const slot of this.#slots.splice(count)) this.#retire(slot, limits.drainMs)
  }

  /**
   * Has every front that is up accept from the fresh sockets, then leave the dropped ones. Resolves when they do, or
   * after a bounded wait: one that is slow gets its messages in the same order all the same.
   */
  async change({ sockets, fresh, dropped }: SocketChange): Promise<void> {
    this.#sockets = sockets
    // A socket that goes on under another name must not be accepted from under both at once.
    const moved = dropped.filter((old) => fresh.some(({ handle }) => handle === old.handle))
    for (const slot of this.#ready()) {
      for (const socket of moved) this.#unlisten(slot, socket)
      for (const socket of fresh) this.#listen(slot, socket)
    }
    await this.#until(() => this.#ready().every((slot) => fresh.every(({ key }) => slot.listening.has(key))))
    for (const slot of this.#ready())
      for (const socket of dropped) if (!moved.includes(socket)) this.#unlisten(slot, socket)
  }

  /** Lets all fronts finish what is under way within `withinMs` and end. Resolves when they are gone. */
  async drain(withinMs: number): Promise<void> {
    this.#stopping = true
    for (const slot of this.#slots.splice(0)) this.#retire(slot, withinMs)
    await Promise.all(this.#retiring.values())
  }

  /** Ends all fronts at once. */
  kill(): void {
    for (const child of [...this.#slots.map((slot) => slot.child), ...this.#retiring.keys()]) child.kill()
  }

  #ready(): Slot[] {
    return this.#slots.filter(({ ready }) => ready)
  }

  #add(data: string): void {
    const index = this.#slots.length
    const child = new SupervisedChild({
      kind: 'front',
      index,
      fork: () => this.#fork(data, index),
      receive: (message) => this.#receive(slot, message),
      started: () => this.#options.changed(),
      ended: () => {
        slot.ready = false
        slot.listening.clear()
        this.#notify()
        return 'restart'
      },
      log: this.#options.log,
    })
    const slot: Slot = { index, child, ready: false, listening: new Set() }
    this.#slots.push(slot)
    child.start()
  }

  #fork(data: string, index: number): ChildProcess {
    return fork(this.#options.entry, [JSON.stringify({ data, index })], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // http-proxy, which carries WebSockets, uses util._extend; operators can do nothing about that.
      execArgv: [...process.execArgv, '--disable-warning=DEP0060'],
    })
  }

  #receive(slot: Slot, raw: unknown): void {
    const parsed = frontToParentSchema.safeParse(raw)
    if (!parsed.success) {
      this.#options.log.error(
        { front: slot.index, err: parsed.error },
        'a front said what no front says; it is replaced',
      )
      slot.child.kill()
      return
    }
    if (parsed.data.kind === 'listening') {
      slot.listening.add(parsed.data.key)
    } else {
      slot.child.cameUp()
      slot.ready = true
      for (const socket of this.#sockets) this.#listen(slot, socket)
    }
    this.#notify()
  }

  #listen(slot: Slot, { name, key, handle }: BoundSocket): void {
    slot.child.send({ kind: 'listen', name, key } satisfies ParentToFront, handle)
  }

  #unlisten(slot: Slot, { key }: BoundSocket): void {
    slot.listening.delete(key)
    slot.child.send({ kind: 'unlisten', key } satisfies ParentToFront)
  }

  #retire({ child }: Slot, withinMs: number): void {
    child.send({ kind: 'drain', withinMs } satisfies ParentToFront)
    const gone = child.retire(withinMs + limits.stop.graceMs).finally(() => this.#retiring.delete(child))
    this.#retiring.set(child, gone)
  }

  #notify(): void {
    this.#options.changed()
    for (const check of this.#waiting) check()
  }

  #until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer)
        this.#waiting.delete(check)
        resolve()
      }
      const check = () => {
        if (holds()) finish()
      }
      const timer = setTimeout(() => {
        this.#options.log.warn({ waitedMs: limits.parent.listenMs }, 'a front is slow to accept from a new socket')
        finish()
      }, limits.parent.listenMs)
      this.#waiting.add(check)
      check()
    })
  }
}
