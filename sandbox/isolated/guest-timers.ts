/** Timers of a guest: it keeps its own, and the host wakes it for the earliest. One timer of Node's for each isolate. */

import type { HeldMap } from '../../core/held-map.ts'
import type { CpuAccount } from './budget.ts'

/** A timer of the host is set no further ahead than this; one that fires too early is set again. */
const longestTimerMs = 2_147_483_647

/** When the requests of one isolate want to be woken. */
export class GuestTimers {
  readonly #accounts: HeldMap<number, CpuAccount>
  readonly #tick: (owner: number, nowMs: number) => void
  #timer: NodeJS.Timeout | undefined
  /** What the timer is set for; -1 when it is not. */
  #dueMs = -1
  #isClosed = false

  /** `accounts`: keyed by the numbers of requests. `tick` wakes one. */
  constructor(accounts: HeldMap<number, CpuAccount>, tick: (owner: number, nowMs: number) => void) {
    this.#accounts = accounts
    this.#tick = tick
  }

  /** Wakes a request at a moment, in place of the one that was set for it before; a negative one is none. */
  set(owner: number, dueMs: number): void {
    const account = this.#accounts.get(owner)
    if (!account) return
    account.timerDueMs = Number.isFinite(dueMs) && dueMs >= 0 ? dueMs : -1
    if (account.timerDueMs !== -1 && (this.#dueMs === -1 || account.timerDueMs < this.#dueMs)) this.#arm()
  }

  /** Wakes nobody any more. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  /** Sets the timer for the earliest of all. */
  #arm(): void {
    clearTimeout(this.#timer)
    this.#dueMs = -1
    for (const { timerDueMs } of this.#accounts.values())
      if (timerDueMs !== -1 && (this.#dueMs === -1 || timerDueMs < this.#dueMs)) this.#dueMs = timerDueMs
    if (this.#dueMs === -1 || this.#isClosed) return
    const inMs = Math.min(longestTimerMs, Math.max(0, this.#dueMs - Date.now()))
    this.#timer = setTimeout(() => this.#fire(), inMs)
  }

  #fire(): void {
    const nowMs = Date.now()
    const due: number[] = []
    for (const [owner, account] of this.#accounts.entries()) {
      if (account.timerDueMs === -1 || account.timerDueMs > nowMs) continue
      account.timerDueMs = -1
      due.push(owner)
    }
    for (const owner of due) this.#tick(owner, nowMs)
    this.#arm()
  }
}
