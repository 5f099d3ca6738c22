/**
 * The guest in this process: its modules are connected with a host of Node's own parts, so that they can be tried without an
 * isolate. What they log, report and ask of timers is kept.
 */

import { randomBytes } from 'node:crypto'
import { type BridgeValue, faults, type HostCall, ops } from '../../../sandbox/bridge.ts'
import { connect, enter } from '../../../sandbox/guest/host.ts'
import { tick } from '../../../sandbox/guest/timers.ts'
import {
  createDecoders,
  decodeText,
  encodeText,
  encodingOf,
  parseUrl,
  setUrl,
} from '../../../sandbox/isolated/text-calls.ts'

/** What the guest has told its host. */
export interface NodeHost {
  readonly lines: { readonly level: number; readonly text: string }[]
  readonly reports: { readonly name: string; readonly message: string; readonly stack: string }[]
  /** When the next timer of the request is due; -1 for none. */
  dueMs: number
  /** Whether timers run by themselves, as soon as they are due. */
  runsTimers: boolean
}

/** The number of the request that everything belongs to. */
export const requestId = 1

const decoders = createDecoders()

/** The host that the guest's modules of this process talk to. */
export const nodeHost: NodeHost = { lines: [], reports: [], dueMs: -1, runsTimers: true }

const call: HostCall = (op, a, b, c) => answer(op, [a, b, c])

function answer(op: number, [a, b, c]: readonly BridgeValue[]): BridgeValue {
  switch (op) {
    case ops.parseUrl:
      return parseUrl(a, b)
    case ops.setUrl:
      return setUrl(a, b, c)
    case ops.encode:
      return encodeText(a)
    case ops.decode:
      return decodeText(a, b, c)
    case ops.encodingOf:
      return encodingOf(a)
    case ops.openDecoder:
      return decoders.open(requestId, b, c)
    case ops.decodePiece:
      return decoders.decode(a, b, c)
    case ops.random:
      return new Uint8Array(randomBytes(a as number))
    case ops.timer:
      return setTimer(b as number)
    case ops.log:
      nodeHost.lines.push({ level: b as number, text: c as string })
      return 0
    case ops.report:
      nodeHost.reports.push(JSON.parse(b as string))
      return 0
    default:
      return faults.denied
  }
}

let timer: NodeJS.Timeout | undefined

function setTimer(dueMs: number): number {
  nodeHost.dueMs = dueMs
  clearTimeout(timer)
  if (dueMs === -1 || !nodeHost.runsTimers) return 0
  timer = setTimeout(() => runTick(Date.now()), Math.max(0, dueMs - Date.now()))
  return 0
}

/** One entry `tick`, as the prelude does it. */
export function runTick(nowMs: number): void {
  enter(requestId)
  tick(requestId, nowMs)
}

connect(call)
enter(requestId)
