/**
 * setTimeout, setInterval and tasks (HTML Standard, section 8.6). Timers belong to the request that was current when they
 * were set; the host knows when the first of each request is due. One timer runs in an entry, so that its microtasks end
 * before the next one starts.
 */

import { ops } from '../bridge.ts'
import { requireArguments, toLong } from './convert.ts'
import { DOMException } from './dom-exception.ts'
import { HeldMap } from './held-map.ts'
import { call, limits, nowMs } from './host.ts'
import { otherRequest, ownerNow } from './operations.ts'
import { arrays, numbers, promises, reflect } from './primordials.ts'

interface Timer {
  readonly id: number
  readonly owner: number
  readonly run: () => void
  /** Of an interval; undefined runs once. */
  readonly everyMs: number | undefined
  /** How many timers, each set by the one before, led to this one. */
  readonly nesting: number
  readonly dueMs: number
  /** It, or a timer that led to it, was set by a request that is over. */
  readonly isPassed: boolean
}

interface Owned {
  /** By due time; those that are due together, in the order they were set in. */
  readonly queue: Timer[]
  /** What the host was told; undefined when that is used up. */
  toldMs: number | undefined
}

// HTML Standard, "timer initialization steps": nested deeper than this, a timer waits at least so long.
const deepNesting = 5
const deepWaitMs = 4

const owners = new HeldMap<Owned>()
const timers = new HeldMap<Timer>()
let lastId = 0
let nesting = 0
let isPassed = false

/** `setTimeout`. Throws a `QuotaExceededError` above the limit, and a `NotAllowedError` while the code loads. */
export function setTimeout(handler: unknown, timeout: unknown = 0, ...args: unknown[]): number {
  requireArguments(arguments.length, 1, 'setTimeout')
  const run = toRun(handler, args, 'setTimeout')
  return set(run, numbers.max(toLong(timeout), 1), false)
}

/** `setInterval`. Throws as {@link setTimeout} does. */
export function setInterval(handler: unknown, timeout: unknown = 0, ...args: unknown[]): number {
  requireArguments(arguments.length, 1, 'setInterval')
  const run = toRun(handler, args, 'setInterval')
  return set(run, numbers.max(toLong(timeout), 1), true)
}

/** `clearTimeout`; a timer of either kind. */
export function clearTimeout(id: unknown = 0): void {
  cancelTimer(toLong(id))
}

/** `clearInterval`; a timer of either kind. */
export function clearInterval(id: unknown = 0): void {
  cancelTimer(toLong(id))
}

/** `queueMicrotask`. What the callback throws is reported. */
export function queueMicrotask(callback: unknown): void {
  requireArguments(arguments.length, 1, 'queueMicrotask')
  if (typeof callback !== 'function') throw new TypeError('queueMicrotask: the callback is not a function')
  void promises.then(promises.of(undefined), () => {
    try {
      reflect.apply(callback, undefined, [])
    } catch (thrown) {
      report(thrown)
    }
  })
}

/** Runs `run` after a wait, for the prelude's own needs; it counts as a timer. Answers what {@link cancelTimer} takes. */
export function setTimer(run: () => void, waitMs: number): number {
  return set(run, waitMs, false)
}

/** Runs `run` in an entry of its own, as soon as can be: a task in the sense of HTML. */
export function queueTask(run: () => void): void {
  set(run, 0, false)
}

/** Ends a timer; nothing happens when it has run or never was. */
export function cancelTimer(id: number): void {
  const timer = timers.get(id)
  if (timer === undefined) return
  timers.delete(id)
  const owned = owners.get(timer.owner)
  if (owned === undefined) return
  const index = arrays.indexOf(owned.queue, timer)
  // An interval is not in the queue while it runs.
  if (index === -1) return
  arrays.splice(owned.queue, index, 1)
  tell(timer.owner, owned)
}

/** The guest's entry `tick`: the first timer of a request runs, if it is due. What it throws is reported. */
export function tick(owner: number, dueNowMs: number): void {
  const owned = owners.get(owner)
  if (owned === undefined) return
  owned.toldMs = undefined
  const timer = owned.queue[0]
  if (timer !== undefined && timer.dueMs <= dueNowMs) {
    arrays.shift(owned.queue)
    if (timer.everyMs === undefined) timers.delete(timer.id)
    runTimer(timer)
    // An interval that its own callback has cleared is not in the table any more.
    if (timer.everyMs !== undefined && timers.has(timer.id)) again(owned, timer, timer.everyMs)
  }
  if (owners.get(owner) === owned) tell(owner, owned)
}

/**
 * Gives the timers of a request that is over to another, which may be what set them (see `ownerNow`). Only those that run once,
 * and only once: what nobody needs ends with the next request.
 */
export function passTimers(owner: number): void {
  const owned = owners.get(owner)
  if (owned === undefined) return
  const heir = otherRequest(owner)
  if (heir === undefined) return
  for (let index = 0; index < owned.queue.length; index++) {
    const timer = owned.queue[index] as Timer
    const others = ownedBy(heir)
    if (timer.everyMs !== undefined || timer.isPassed || others.queue.length >= limits.timers) {
      timers.delete(timer.id)
      continue
    }
    const passed = { ...timer, owner: heir, isPassed: true }
    timers.set(timer.id, passed)
    insert(others.queue, passed)
  }
  owned.queue.length = 0
  const inherited = owners.get(heir)
  if (inherited !== undefined) tell(heir, inherited)
}

/** Forgets all timers of a request that is over. */
export function forgetTimers(owner: number): void {
  const owned = owners.get(owner)
  if (owned === undefined) return
  owners.delete(owner)
  for (let index = 0; index < owned.queue.length; index++) timers.delete(owned.queue[index]?.id ?? 0)
}

let report: (thrown: unknown) => void = () => {}

/** Says where what timers and microtasks throw goes. */
export function onTimerError(given: (thrown: unknown) => void): void {
  report = given
}

function toRun(handler: unknown, args: readonly unknown[], what: string): () => void {
  // A string would be compiled, and nothing is compiled from strings here.
  if (typeof handler !== 'function') throw new TypeError(`${what}: the handler is not a function`)
  return () => {
    reflect.apply(handler, globalThis, args)
  }
}

function set(run: () => void, waitMs: number, repeats: boolean): number {
  const owner = ownerNow()
  if (owner === 0) throw new DOMException('timers cannot be set while the code loads', 'NotAllowedError')
  const owned = ownedBy(owner)
  if (owned.queue.length >= limits.timers)
    throw new DOMException(`more than ${limits.timers} timers are pending`, 'QuotaExceededError')
  const wait = nesting >= deepNesting && waitMs > 0 ? numbers.max(waitMs, deepWaitMs) : waitMs
  const everyMs = repeats ? wait : undefined
  const timer: Timer = { id: ++lastId, owner, run, everyMs, nesting, dueMs: nowMs + wait, isPassed }
  timers.set(timer.id, timer)
  insert(owned.queue, timer)
  tell(owner, owned)
  return timer.id
}

function ownedBy(owner: number): Owned {
  const known = owners.get(owner)
  if (known !== undefined) return known
  const owned: Owned = { queue: [], toldMs: undefined }
  owners.set(owner, owned)
  return owned
}

function again(owned: Owned, timer: Timer, everyMs: number): void {
  const wait = timer.nesting >= deepNesting ? numbers.max(everyMs, deepWaitMs) : everyMs
  const next: Timer = { ...timer, everyMs: wait, nesting: timer.nesting + 1, dueMs: nowMs + wait }
  timers.set(timer.id, next)
  insert(owned.queue, next)
}

function runTimer(timer: Timer): void {
  nesting = timer.nesting + 1
  isPassed = timer.isPassed
  try {
    timer.run()
  } catch (thrown) {
    report(thrown)
  } finally {
    nesting = 0
    isPassed = false
  }
}

function insert(queue: Timer[], timer: Timer): void {
  let index = queue.length
  while (index > 0 && (queue[index - 1]?.dueMs ?? 0) > timer.dueMs) index--
  arrays.splice(queue, index, 0, timer)
}

/** Tells the host when the first timer is due, if that has changed. The host ends the timers of a request with it. */
function tell(owner: number, owned: Owned): void {
  const dueMs = owned.queue[0]?.dueMs ?? -1
  if (dueMs === owned.toldMs) return
  owned.toldMs = dueMs
  call(ops.timer, owner, dueMs)
}
