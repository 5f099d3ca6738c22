/** The operations that a code has under way, whoever does them. */

import { HeldMap } from '../../core/held-map.ts'
import { hopsOf } from '../../core/hops.ts'
import { limits as bounds } from '../../core/limits.ts'
import type { SandboxLimits } from '../../core/sandbox-limits.ts'
import type { Op } from '../../core/sandbox-messages.ts'
import { deliveries, faults, operations } from '../bridge.ts'
import { createCompression } from './compression.ts'
import type { Exchange } from './exchange.ts'
import { IncomingBody } from './incoming-body.ts'
import { readOp } from './op-frame.ts'
import { OutgoingBody } from './outgoing-body.ts'
import type { Relay } from './relay.ts'
import type { Subtle } from './subtle.ts'

/** One of them. */
export interface Operation {
  readonly exchange: Exchange
  readonly incoming: IncomingBody | undefined
  readonly outgoing: OutgoingBody | undefined
  /** It is not wanted any more. */
  stop(): void
}

/** What operations need. */
export interface OperationsOptions {
  readonly version: number
  readonly limits: SandboxLimits
  readonly relay: Relay
  readonly subtle: Subtle
  /** The next number that no request and no operation has had. */
  readonly nextId: () => number
  /** A request has reached a bound that costs it an operation, and nothing else. */
  readonly refused: (exchange: Exchange, limit: string, value: number, bound: number) => void
}

/** The table of one code's operations. */
export interface Operations {
  get(id: number): Operation | undefined
  /** `ops.start`. */
  start(exchange: Exchange, kind: number, args: string, bytes: Uint8Array | string | undefined): number
  stop(id: number): number
  /** Those of a request end with it. */
  forget(exchange: Exchange): void
  readonly size: number
}

/** Makes the table. */
export function createOperations(options: OperationsOptions): Operations {
  const { limits, relay, subtle, version } = options
  const byId = new HeldMap<number, Operation>()

  function add(id: number, operation: Operation): void {
    byId.set(id, operation)
    operation.exchange.operations.add(id)
  }

  function remove(id: number): Operation | undefined {
    const operation = byId.get(id)
    byId.delete(id)
    operation?.exchange.operations.delete(id)
    return operation
  }

  /** Tells the guest something about an operation. */
  function teller(exchange: Exchange, id: number) {
    return (kind: number, payload?: string | number | Uint8Array, bytes?: Uint8Array) => {
      if (byId.has(id)) exchange.isolate?.deliver(id, exchange.id, kind, payload, bytes)
    }
  }

  /** Whether a request may ask for one more of a kind that is counted. */
  function count(exchange: Exchange, kind: number): boolean {
    const isData = kind === operations.data
    if (isData) exchange.dataOperations++
    else exchange.subrequests++
    const value = isData ? exchange.dataOperations : exchange.subrequests
    const limit = isData ? 'dataOperations' : 'subrequests'
    if (value <= limits[limit]) return true
    options.refused(exchange, limit, value, limits[limit])
    return false
  }

  function relayed(exchange: Exchange, op: Op, bytes: Uint8Array | string | undefined): number {
    const text = JSON.stringify(op)
    if (Buffer.byteLength(text) > bounds.sandboxLink.headBytes) return faults.tooLarge
    const id = options.nextId()
    const tell = teller(exchange, id)
    const stream = relay.begin((port) => {
      const incoming = new IncomingBody({
        mostBytes: limits.fetchedBytes,
        bound: 'fetchedBytes',
        credit: (given) => port.credit(given),
        deliver: tell,
        over: () => remove(id),
      })
      const outgoing = op.hasBody
        ? new OutgoingBody({
            write: (piece) => port.body(piece),
            finish: () => port.end(),
            writable: (open) => tell(deliveries.writable, open),
          })
        : undefined
      add(id, { exchange, incoming, outgoing, stop: () => port.cancel() })
      return {
        text,
        incoming,
        outgoing,
        answered: (text, body) => tell(deliveries.answer, text, body),
        failed(error) {
          tell(deliveries.error, JSON.stringify(error))
          remove(id)
        },
      }
    })
    if (!stream) return faults.tooMany
    const { outgoing } = byId.get(id) ?? {}
    if (outgoing && (bytes !== undefined || op.kind === 'data')) {
      if (bytes !== undefined) outgoing.send(bytes)
      outgoing.end()
    }
    return id
  }

  function compress(exchange: Exchange, args: string): number {
    const id = options.nextId()
    const tell = teller(exchange, id)
    const compression = createCompression(args, limits, {
      tell,
      over: () => remove(id),
      charge: (ms) => exchange.isolate?.charge(exchange.id, ms),
    })
    if (!compression) return faults.argument
    add(id, { exchange, ...compression })
    tell(deliveries.answer, '{"hasBody":true}')
    return id
  }

  function crypto(exchange: Exchange, args: string, bytes: Uint8Array | string | undefined): number {
    if (typeof bytes === 'string') return faults.argument
    const id = options.nextId()
    const tell = teller(exchange, id)
    let isStopped = false
    add(id, { exchange, incoming: undefined, outgoing: undefined, stop: () => (isStopped = true) })
    const running = subtle.run(args, bytes, () => !isStopped)
    void running.then(({ error, text, bytes: result }) => {
      if (isStopped) return
      if (error) tell(deliveries.error, JSON.stringify(error))
      else tell(deliveries.answer, text, result)
      remove(id)
    })
    return id
  }

  return {
    get: (id) => byId.get(id),
    get size() {
      return byId.size
    },
    start(exchange, kind, args, bytes) {
      if (exchange.operations.size >= limits.operations) {
        options.refused(exchange, 'operations', exchange.operations.size + 1, limits.operations)
        return faults.tooMany
      }
      if (kind === operations.subtle) return crypto(exchange, args, bytes)
      if (kind === operations.compress) return compress(exchange, args)
      const owner = { request: exchange.head.id, version }
      const op = readOp(kind, args, bytes !== undefined, owner, hopsOf(exchange.head.headers))
      if (!op) return faults.argument
      if (!count(exchange, kind)) return faults.spent
      return relayed(exchange, op, bytes)
    },
    stop(id) {
      const operation = remove(id)
      operation?.stop()
      return operation ? 0 : faults.closed
    },
    forget(exchange) {
      for (const id of [...exchange.operations]) remove(id)?.stop()
    },
  }
}
