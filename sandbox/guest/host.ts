/**
 * The guest's end of the bridge: the host's one function, kept in this module, and what the running entry is charged to.
 * Nothing of the site can reach it: it is handed to no function and stands on no object.
 */

import type { BridgeValue, HostCall } from '../bridge.ts'
import type { GuestLimits } from '../bridge-shapes.ts'
import { dates, numbers } from './primordials.ts'

let hostCall: HostCall = () => {
  throw new TypeError('the guest is not connected to a host')
}

/** The number of the request that the running entry is charged to; 0 while the code loads. */
export let current = 0

/** The time of the running entry in ms since 1970. It stands still within an entry, so that code cannot measure itself. */
export let nowMs = 0

/** The time that `performance.now()` and the time stamps of events count from, in ms since 1970. */
export let originMs = 0

/** Bounds that the host has told. */
export let limits: GuestLimits = {
  timers: 256,
  operations: 64,
  logLines: 100,
  logLineChars: 16_384,
  bufferedBodyBytes: 10_485_760,
  responseHeaders: 128,
  responseHeaderBytes: 65_536,
  urlChars: 16_384,
  waitUntilMs: 30_000,
}

/** Takes the host's function, once, before any code of the site runs. */
export function connect(call: HostCall): void {
  hostCall = call
  enter(0)
  originMs = nowMs
}

/** Takes the bounds of the site. */
export function setLimits(given: GuestLimits): void {
  limits = given
}

/** Begins an entry: from now on work is charged to `owner`, and the clock shows now. */
export function enter(owner: number): void {
  current = owner
  // The system's clock can be set back; ours never goes back.
  nowMs = numbers.max(nowMs, dates.now())
}

/** Calls the host, see sandbox/bridge.ts. It never throws, and answers a fault where something is wrong. */
export function call(op: number, a?: BridgeValue, b?: BridgeValue, c?: BridgeValue, d?: BridgeValue): BridgeValue {
  return hostCall(op, a, b, c, d)
}
