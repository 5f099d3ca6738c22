/** Faults of order: compare-and-append, timestamps, operations, transactions, fencing (G1, G3, G4, G11). */

import type { Engine } from '../../../../store/logs/engine.ts'
import type { Records } from '../../../../store/logs/records.ts'
import type { Request, RequestOf } from '../../../../store/logs/request.ts'
import { formatTs } from '../../../../store/logs/timestamp.ts'
import type { LogPieces, PlantedFault } from '../fault.ts'
import { instead } from './instead.ts'

/** A fault of order. */
type OrderFault = PlantedFault<LogPieces>

/** Pieces of which the engine's one may look into the records. */
function withRecords(change: (engine: Engine, records: Records) => Engine): LogPieces {
  let records: Records | undefined
  return {
    records(opened) {
      records = opened
      return opened
    },
    engine: (engine) => (records ? change(engine, records) : engine),
  }
}

/** An engine to which appends come changed. */
export function changedAppends(engine: Engine, change: (append: RequestOf<'append'>) => RequestOf<'append'>): Engine {
  const changed = (request: Request) => (request.kind === 'append' ? change(request) : request)
  return instead(engine, { run: (batch) => engine.run({ ...batch, requests: batch.requests.map(changed) }) })
}

const expectIgnored: OrderFault = {
  name: 'expect is ignored',
  breaks: 'a publisher that comes too late is put behind what it has not seen',
  caughtBy: ['true predecessor'],
  seeds: 50,
  plant: () =>
    withRecords((engine, records) => {
      const headOf = (path: string) => {
        const log = records.log(path)
        const seq = log ? records.head(log.id) : 0
        return { head: seq === 0 ? undefined : formatTs(records.storeId, seq) }
      }
      return changedAppends(engine, (append) => ({
        ...append,
        parts: append.parts.map((part) => (part.expect ? { ...part, expect: headOf(part.path) } : part)),
      }))
    }),
}

const transactionSplit: OrderFault = {
  name: 'a transaction is done in parts',
  breaks: 'each entry has a timestamp of its own, and a crash leaves some of them',
  caughtBy: ['whole transactions', 'unique timestamps'],
  seeds: 50,
  plant: () => ({
    engine: (engine) =>
      instead(engine, {
        run(batch) {
          for (const request of batch.requests) {
            if (request.kind !== 'append') continue
            const others = request.parts.slice(1)
            for (const part of others)
              engine.run({ ...batch, requests: [{ ...request, opId: undefined, parts: [part] }] })
          }
          return changedAppends(engine, (append) => ({ ...append, parts: append.parts.slice(0, 1) })).run(batch)
        },
      }),
  }),
}

const counterRestarts: OrderFault = {
  name: 'timestamps come from a counter that restarts',
  breaks: 'after a crash moments are given away that others have got before',
  caughtBy: ['unique timestamps', 'stable prefix'],
  seeds: 50,
  plant: () => ({
    records(records) {
      let last = Math.max(0, records.lastSeq() - 2)
      return {
        ...records,
        lastSeq: () => last,
        takeSeq() {
          records.takeSeq()
          last += 1
          return last
        },
      }
    },
  }),
}

const operationsForgotten: OrderFault = {
  name: 'operation ids are forgotten at a restart',
  breaks: 'a repeat after a crash is done a second time',
  caughtBy: ['acknowledged once', 'operations once'],
  seeds: 400,
  plant: () => ({
    records(records) {
      const known = new Set<string>()
      return {
        ...records,
        addEntry(logId, entry) {
          known.add(`${logId} ${entry.opId}`)
          records.addEntry(logId, entry)
        },
        seqOfOp: (logId, opId) => (known.has(`${logId} ${opId}`) ? records.seqOfOp(logId, opId) : undefined),
      }
    },
  }),
}

const operationsByAnybody: OrderFault = {
  name: 'the table of operation ids is not read',
  breaks: 'every repeat is done again',
  caughtBy: ['operations once', 'acknowledged once'],
  seeds: 50,
  plant: () => ({ records: (records) => ({ ...records, seqOfOp: () => undefined }) }),
}

const epochIgnored: OrderFault = {
  name: 'the epoch is ignored',
  breaks: 'a store that another one has taken over from goes on writing',
  caughtBy: ['fenced acknowledges nothing'],
  seeds: 100,
  plant: () => ({
    records(records) {
      let own = 0
      return {
        ...records,
        takeEpoch() {
          own = records.takeEpoch()
          return own
        },
        epoch: () => own,
      }
    },
  }),
}

/** Faults of order, of logs. */
export const orderFaults: readonly OrderFault[] = [
  expectIgnored,
  transactionSplit,
  counterRestarts,
  operationsForgotten,
  operationsByAnybody,
  epochIgnored,
]
