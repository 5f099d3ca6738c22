/**
 * The care for many names: when which one is looked at, and how many at a time. A look is cheap and reads one record; an
 * order is rare and takes minutes. Each kind has lanes of its own, so that names that cannot be ordered hold up nobody.
 *
 * Time is the wall clock, because certificates end by it, but no wait is longer than one between two looks: a clock that
 * jumps is noticed at the next.
 */

import { GroveError, isGroveError, toGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { Certificate } from './certificate.ts'
import { createLanes } from './lanes.ts'
import { type Brief, toBrief } from './managed-brief.ts'
import { type Damage, foundDamaged } from './managed-damage.ts'
import { look, type Outcome, type TendOptions, tend } from './managed-tend.ts'

/** A name that is looked after. */
export interface Kept {
  readonly name: string
  /** Somebody asked for it; else it is one of those that are wanted. */
  isAsked: boolean
  /** When there is something to do. */
  atMs: number
  /** Undefined until it was looked at, and while nothing was ever done for it. */
  brief: Brief | undefined
  /** Something is being done for it here. */
  isBusy: boolean
  /** It is to be renewed whether it is due or not. */
  isForced: boolean
  /** What the vault held of it was found damaged. */
  damage: Damage | undefined
  waiters: Waiter[] | undefined
  /** The certificate whose end was announced. */
  warnedId: string | undefined
}

/** Somebody who waits for a certificate. */
export interface Waiter {
  readonly resolve: (certificate: Certificate | undefined) => void
  readonly reject: (error: GroveError) => void
}

/** What the care needs. */
export interface CareOptions extends TendOptions {
  /** The names that are looked after, keyed by name. */
  readonly kept: ReadonlyMap<string, Kept>
  /** Names whose certificates are in use: these are looked at even when nothing is due. */
  readonly inUse: () => Iterable<string>
  /** Called after each look. `before`: how it stood until then. Must not throw. */
  readonly seen: (kept: Kept, outcome: Outcome, before: Brief | undefined) => void
  /** Whether a name is still to be looked after. */
  readonly isStillWanted: (kept: Kept) => boolean
}

/** The care for names. */
export interface Care extends AsyncDisposable {
  /** Looks at a name soon, or as the next one. */
  look(kept: Kept, isUrgent?: boolean): void
  /** Renews a name as the next one, whether it is due or not. */
  force(kept: Kept): void
  /** What the vault holds of a name is damaged: orders another one at once, or, when that happens again and again, later. */
  mend(kept: Kept): void
  /** Looks at a name at a time, in milliseconds since the epoch. */
  at(kept: Kept, atMs: number): void
  /** Forgets a name. Work on it that is under way goes on. */
  drop(kept: Kept): void
  /**
   * The certificate of a name, when what is due for it is done; undefined when the vault has one and nothing was due.
   * Rejects with why there is none, with `ERR_TOO_MANY` when too many wait for it, with `ERR_TIMEOUT` after `waitMs`.
   */
  wait(kept: Kept, options: { readonly isForced?: boolean; readonly waitMs: number }): Promise<Certificate | undefined>
}

/** Begins to care. Looks at nothing until it is told to, or something is due. */
export function startCare(options: CareOptions): Care {
  return new NameCare(options)
}

class NameCare implements Care {
  readonly #options: CareOptions
  readonly #stopped = new AbortController()
  readonly #looks = createLanes<Kept>(limits.managed.reads, (kept) => this.#look(kept))
  readonly #orders = createLanes<Kept>(limits.managed.orders, (kept) => this.#order(kept))
  readonly #done: Promise<void>
  #wakeAtMs = Number.POSITIVE_INFINITY
  #wake = new AbortController()

  constructor(options: CareOptions) {
    this.#options = options
    this.#done = this.#run()
  }

  look(kept: Kept, isUrgent = false): void {
    this.#looks.add(kept, isUrgent)
  }

  force(kept: Kept): void {
    kept.isForced = true
    this.#orders.add(kept, true)
  }

  mend(kept: Kept): void {
    if (kept.damage?.mendAtMs !== undefined) return
    const { environment } = this.#options
    const damage = foundDamaged(kept.damage, environment)
    kept.damage = damage
    this.at(kept, damage.mendAtMs)
    if (kept.atMs <= environment.now()) this.#orders.add(kept, true)
  }

  at(kept: Kept, atMs: number): void {
    kept.atMs = atMs
    // What is due now is in line already, or is at the next look.
    if (atMs >= this.#wakeAtMs || atMs <= this.#options.environment.now()) return
    this.#wakeAtMs = atMs
    this.#wake.abort()
  }

  drop(kept: Kept): void {
    this.#looks.drop(kept)
    this.#orders.drop(kept)
    answer(kept, (waiter) => waiter.reject(new GroveError('ERR_CERT_NAME', `${kept.name} is no longer looked after`)))
  }

  wait(kept: Kept, { isForced = false, waitMs }: { readonly isForced?: boolean; readonly waitMs: number }) {
    const { environment } = this.#options
    kept.waiters ??= []
    if (kept.waiters.length >= limits.managed.waiters)
      return Promise.reject(new GroveError('ERR_TOO_MANY', `too many wait for the certificate of ${kept.name}`))
    const { promise, resolve, reject } = Promise.withResolvers<Certificate | undefined>()
    const waiter: Waiter = { resolve, reject }
    kept.waiters.push(waiter)
    const answered = new AbortController()
    environment.sleep(waitMs, AbortSignal.any([answered.signal, this.#stopped.signal])).then(
      () => reject(new GroveError('ERR_TIMEOUT', `the certificate of ${kept.name} is not there yet`)),
      () => reject(new GroveError('ERR_CLOSED', 'certificates are no longer looked after')),
    )
    if (isForced) this.force(kept)
    else this.#looks.add(kept, true)
    return promise.finally(() => {
      answered.abort()
      if (kept.waiters) kept.waiters = kept.waiters.filter((other) => other !== waiter)
      if (kept.waiters?.length === 0) kept.waiters = undefined
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort(new GroveError('ERR_CLOSED', 'certificates are no longer looked after'))
    await Promise.all([this.#done, this.#looks.close(), this.#orders.close()])
  }

  async #run(): Promise<void> {
    const { environment } = this.#options
    const { signal } = this.#stopped
    const { lookEveryMs } = limits.managed
    let usedAtMs = environment.monotonic()
    while (!signal.aborted) {
      this.#wake = new AbortController()
      this.#wakeAtMs = this.#lookAtAllThatIsDue()
      // A moment early is in time: the next round may be ten minutes away.
      if (environment.monotonic() - usedAtMs >= lookEveryMs / 2) {
        usedAtMs = environment.monotonic()
        this.#lookAtAllInUse()
      }
      // It ends early when something is due before, and at the end of it all.
      await this.#rest().catch(() => {})
    }
  }

  async #rest(): Promise<void> {
    const { environment } = this.#options
    const { signal } = this.#stopped
    // This is never cut short, so that however many ask for it, all names are gone through once a second.
    await environment.sleep(limits.managed.leastLookMs, signal)
    const restMs = Math.min(this.#wakeAtMs - environment.now(), limits.managed.lookEveryMs)
    if (restMs > 0) await environment.sleep(restMs, AbortSignal.any([signal, this.#wake.signal]))
  }

  /** Answers when to come again. */
  #lookAtAllThatIsDue(): number {
    const nowMs = this.#options.environment.now()
    let wakeAtMs = nowMs + limits.managed.lookEveryMs
    for (const one of this.#options.kept.values()) {
      if (one.atMs > nowMs) wakeAtMs = Math.min(wakeAtMs, one.atMs)
      else if (!one.isBusy && !this.#orders.has(one)) this.#looks.add(one)
    }
    return wakeAtMs
  }

  #lookAtAllInUse(): void {
    for (const name of this.#options.inUse()) {
      const one = this.#options.kept.get(name)
      if (one && !one.isBusy) this.#looks.add(one)
    }
  }

  /** Looks at a name. Never rejects. */
  async #look(one: Kept): Promise<void> {
    // An order of it answers whoever waits.
    if (one.isBusy || !this.#isKept(one)) return
    try {
      const outcome = await look(one.name, this.#options)
      // What an order has begun to change meanwhile is told by the order.
      if (one.isBusy || !this.#isKept(one)) return
      this.#settle(one, outcome, false)
      if (one.atMs <= this.#options.environment.now()) this.#orders.add(one, one.waiters !== undefined)
    } catch (error) {
      this.#fail(one, error)
    }
  }

  /** Does what is due for a name. Never rejects. */
  async #order(one: Kept): Promise<void> {
    if (!this.#isKept(one)) return
    const { isForced, damage } = one
    const isDamaged = damage?.mendAtMs !== undefined
    one.isBusy = true
    try {
      const outcome = await tend(one.name, this.#options, { signal: this.#stopped.signal, isForced, isDamaged })
      this.#end(one, isForced)
      if (!this.#isKept(one)) return
      this.#settle(one, outcome, isForced)
      if (outcome.atMs <= this.#options.environment.now()) this.#looks.add(one)
    } catch (error) {
      this.#end(one, isForced)
      this.#fail(one, error)
    }
  }

  /** Whoever wanted a new one while something else was done still wants it. */
  #end(one: Kept, isForced: boolean): void {
    one.isBusy = false
    if (isForced) one.isForced = false
    if (one.damage) one.damage = { ...one.damage, mendAtMs: undefined }
  }

  #isKept(one: Kept): boolean {
    const { kept, isStillWanted } = this.#options
    return !this.#stopped.signal.aborted && kept.get(one.name) === one && isStillWanted(one)
  }

  #settle(one: Kept, outcome: Outcome, isForced: boolean): void {
    const before = one.brief
    one.brief = outcome.record && toBrief(outcome.record)
    this.at(one, one.damage?.mendAtMs ?? outcome.atMs)
    this.#options.seen(one, outcome, before)
    const { obtained, error } = outcome
    if (obtained) answer(one, ({ resolve }) => resolve(obtained))
    else if (error) answer(one, ({ reject }) => reject(error))
    else if (isForced) answer(one, ({ reject }) => reject(isOrdered(one)))
    // Whoever wants a new one waits for it.
    else if (one.isForced) return
    else if (outcome.record?.certificate) answer(one, ({ resolve }) => resolve(undefined))
    else if (one.atMs > this.#options.environment.now() && !outcome.isElsewhere)
      answer(one, ({ reject }) => reject(notYet(one)))
  }

  #fail(one: Kept, error: unknown): void {
    if (this.#stopped.signal.aborted) return
    const { environment, log } = this.#options
    const isRaced = isGroveError(error, 'ERR_CERT_RACED')
    if (!isRaced) log.error({ err: error, name: one.name }, 'a certificate cannot be looked after; it is tried again')
    this.at(one, environment.now() + (isRaced ? limits.managed.elsewhereMs : limits.managed.vaultRetryMs))
    answer(one, ({ reject }) => reject(toGroveError(error)))
  }
}

/** Answers all who wait now. */
function answer(kept: Kept, how: (waiter: Waiter) => void): void {
  const { waiters = [] } = kept
  kept.waiters = undefined
  for (const waiter of waiters) how(waiter)
}

function isOrdered({ name }: Kept): GroveError {
  return new GroveError('ERR_CONFLICT', `another grove is ordering the certificate of ${name}`)
}

function notYet({ name, brief }: Kept): GroveError {
  const { lastError, nextTryAtMs } = brief ?? {}
  const why = lastError ? `: ${lastError.message}` : ''
  return new GroveError('ERR_CERT', `there is no certificate for ${name} yet${why}`, {
    details: { reason: 'waiting', ...(nextTryAtMs !== undefined && { nextTryAtMs }) },
  })
}
