/**
 * Operations that the supervisor does for the site's code: `fetch`, data, files. Here they only pass through, in the
 * frames of the link; so many at one time as the supervisor works on, the others wait.
 */

import { HeldMap } from '../../core/held-map.ts'
import { limits } from '../../core/limits.ts'
import { frameTypes, readCredit } from '../../core/sandbox-frames.ts'
import { tenantLimits } from '../../core/sandbox-limits.ts'
import type { FrameLink } from '../../core/sandbox-link.ts'
import { bridgeLimits } from '../bridge.ts'
import type { BridgeError } from '../bridge-shapes.ts'
import { parseObject, readOpFailed } from './frame-json.ts'
import type { IncomingBody } from './incoming-body.ts'
import type { OutgoingBody } from './outgoing-body.ts'

/** An operation, as the relay carries it. */
export interface RelayedOperation {
  /** JSON of an `op` frame. */
  readonly text: string
  readonly incoming: IncomingBody
  /** Its body, if it has one. Sends nothing before it was begun. */
  readonly outgoing: OutgoingBody | undefined
  /** The head of the answer, and what is there of its body. */
  answered(headText: string, bytes: Uint8Array | undefined): void
  failed(error: BridgeError): void
}

/** A stream of the link, as an operation writes on it. */
export interface RelayStream {
  body(piece: Uint8Array): void
  end(): void
  credit(bytes: number): void
  /** The operation is not wanted any more. */
  cancel(): void
}

/** The relay of one process. */
export interface Relay {
  /** Begins an operation, or puts it in line; undefined when the line is full. `prepare` gets the stream to write on. */
  begin(prepare: (stream: RelayStream) => RelayedOperation): RelayStream | undefined
  /** Takes a frame of the supervisor for an operation. Answers false if it is not one that could come. */
  take(type: number, stream: number, payload: Buffer): boolean
}

interface Carried {
  readonly stream: number
  readonly operation: RelayedOperation
  /** What is to be written once it begins; undefined when it has. Bounded by the window of its body. */
  held: (() => void)[] | undefined
  isOver: boolean
  hasAnswer: boolean
}

/** Makes the relay. Its streams have odd numbers. */
export function createRelay(link: FrameLink): Relay {
  const byStream = new HeldMap<number, Carried>()
  let waiting: Carried[] = []
  let lastStream = -1

  function begin(carried: Carried): void {
    byStream.set(carried.stream, carried)
    link.write(frameTypes.op, carried.stream, carried.operation.text)
    const { held } = carried
    carried.held = undefined
    for (const write of held ?? []) write()
  }

  function finish(carried: Carried): void {
    carried.isOver = true
    carried.operation.outgoing?.close()
    if (!byStream.delete(carried.stream)) return
    const next = waiting.shift()
    if (next) begin(next)
  }

  function cancel(carried: Carried): void {
    if (carried.isOver) return
    if (!carried.held) link.write(frameTypes.cancel, carried.stream)
    else waiting = waiting.filter((other) => other !== carried)
    finish(carried)
  }

  function answer(carried: Carried, payload: Buffer): boolean {
    if (carried.hasAnswer) return false
    carried.hasAnswer = true
    const text = payload.toString('utf8')
    const hasBody = parseObject(text)?.['hasBody']
    if (typeof hasBody !== 'boolean') return false
    // What came along in the same piece of the socket goes along into the isolate: one entry instead of three.
    queueMicrotask(() => {
      if (carried.operation.incoming.isWanted)
        carried.operation.answered(text, carried.operation.incoming.takeAtOnce(bridgeLimits.wholeBytes))
    })
    if (!hasBody) end(carried)
    return true
  }

  function end(carried: Carried): boolean {
    carried.operation.incoming.finish()
    finish(carried)
    return carried.hasAnswer
  }

  function fail(carried: Carried, payload: Buffer): boolean {
    const error = readOpFailed(payload)
    if (!error) return false
    if (carried.hasAnswer) carried.operation.incoming.break(error)
    else carried.operation.failed(error)
    finish(carried)
    return true
  }

  return {
    begin(prepare) {
      if (waiting.length >= tenantLimits.waitingOperations) return undefined
      lastStream += 2
      const stream = lastStream
      const write = (type: typeof frameTypes.body | typeof frameTypes.end, piece?: Uint8Array) => {
        if (carried.held) carried.held.push(() => link.write(type, stream, piece))
        else if (!carried.isOver) link.write(type, stream, piece)
      }
      const port: RelayStream = {
        body: (piece) => write(frameTypes.body, piece),
        end: () => write(frameTypes.end),
        credit: (bytes) => link.credit(stream, bytes),
        cancel: () => cancel(carried),
      }
      const carried: Carried = { stream, operation: prepare(port), held: [], isOver: false, hasAnswer: false }
      if (byStream.size < limits.sandboxTenant.operations) begin(carried)
      else waiting.push(carried)
      return port
    },
    take(type, stream, payload) {
      const carried = byStream.get(stream)
      // Over here, while the supervisor was still sending.
      if (!carried) return stream % 2 === 1 && stream <= lastStream
      switch (type) {
        case frameTypes.answer:
          return answer(carried, payload)
        case frameTypes.body:
          return carried.hasAnswer && carried.operation.incoming.arrive(payload)
        case frameTypes.end:
          return end(carried)
        case frameTypes.credit:
          return carried.operation.outgoing?.give(readCredit(payload) ?? Number.NaN) ?? true
        case frameTypes.cancel:
          carried.operation.outgoing?.close()
          return true
        case frameTypes.failed:
          return fail(carried, payload)
        default:
          return false
      }
    },
  }
}
