/**
 * A site as a front serves it: its state from control, the compiled table of its live version, its upstream, and the
 * count of static answers under way for each version that was live.
 */

import type { CodeRoute } from '../core/code-routes.ts'
import type { Exchange } from '../core/exchange.ts'
import { limits } from '../core/limits.ts'
import type { SiteState } from '../core/messages.ts'
import type { SiteInfo } from '../core/plugin.ts'
import type { CodeUpstream } from './code-upstream.ts'
import type { RemoteUpstream } from './remote-upstream.ts'
import type { StaticTable } from './table.ts'

/** Answers under way that were begun under one table. */
export class Epoch {
  #count = 0
  #waiting: (() => void)[] = []

  /** One more answer has begun. */
  begin(): void {
    this.#count += 1
  }

  /** One answer has ended. */
  end(): void {
    this.#count -= 1
    if (this.#count > 0) return
    for (const resolve of this.#waiting) resolve()
    this.#waiting = []
  }

  /** Whether none is under way. */
  get isIdle(): boolean {
    return this.#count === 0
  }

  /** Resolves when none is under way. */
  idle(): Promise<void> {
    if (this.#count === 0) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}

/** The epoch in which an exchange is. Weak: an exchange that is never finished leaves nothing behind. */
const epochs = new WeakMap<Exchange, Epoch>()

/** Begins an exchange under an epoch. */
export function enterEpoch(exchange: Exchange, epoch: Epoch): void {
  epoch.begin()
  epochs.set(exchange, epoch)
}

/** Ends an exchange under its epoch, if it is still in one. */
export function leaveEpoch(exchange: Exchange): void {
  const epoch = epochs.get(exchange)
  if (epoch && epochs.delete(exchange)) epoch.end()
}

/** A version's own code. */
export interface SiteCode {
  readonly upstream: CodeUpstream
  readonly routes: readonly CodeRoute[]
}

/** Everything a front knows of one loaded site at one moment. Replaced as a whole at each change, but for the marks. */
export interface SiteRuntime {
  readonly state: SiteState
  readonly info: SiteInfo
  /** Undefined before the first publish. */
  readonly table: StaticTable | undefined
  /** Undefined when the site has none. */
  readonly upstream: RemoteUpstream | undefined
  /** The code of its live version; undefined when that has none. */
  readonly code: SiteCode | undefined
  readonly epoch: Epoch
  /** Epochs of earlier tables that may still have answers under way; at most `limits.front.epochs`. */
  readonly earlier: readonly Epoch[]
  /** When somebody came for it last, or it was loaded: a number that grows with each visit of any site. */
  usedAt: number
  /** Whether control has said what is live, this control or the one before it as long as that was here. */
  isSure: boolean
  /** When control may be asked again, by a clock that only goes on. */
  checkAtMs: number
}

/** A site that nobody has come for yet. Without an epoch it begins a new one. */
export function siteRuntime({
  state,
  table,
  upstream,
  code,
  epoch = new Epoch(),
  earlier,
  isSure,
}: Pick<SiteRuntime, 'state' | 'table' | 'upstream' | 'code' | 'earlier' | 'isSure'> & {
  readonly epoch: Epoch | undefined
}): SiteRuntime {
  const info = { name: state.name, authorities: state.authorities }
  return { state, info, table, upstream, code, epoch, earlier, usedAt: 0, isSure, checkAtMs: 0 }
}

/** The epochs that a successor of a site has to remember. */
export function earlierEpochs(before: SiteRuntime | undefined): readonly Epoch[] {
  return before ? [...before.earlier, before.epoch].filter((epoch) => !epoch.isIdle).slice(-limits.front.epochs) : []
}

/** Resolves when no answer of these epochs is under way, or after `withinMs`. */
export async function settled(epochs: readonly Epoch[], withinMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, withinMs)
  })
  await Promise.race([Promise.all(epochs.map((epoch) => epoch.idle())), late])
  clearTimeout(timer)
}
