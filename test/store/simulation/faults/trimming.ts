/** Faults of forgetting: what is trimmed is not covered (G10). */

import type { Records } from '../../../../store/logs/records.ts'
import { seqOf } from '../../../../store/logs/timestamp.ts'
import type { LogPieces, PlantedFault } from '../fault.ts'
import { changedAppends } from './order.ts'

/** A fault of trimming. */
type TrimFault = PlantedFault<LogPieces>

const trimFirst: TrimFault = {
  name: 'a trim is committed before its cover',
  breaks: 'a crash or a conflict between the two leaves a hole',
  caughtBy: ['acknowledged once', 'trimmed is covered', 'whole reads'],
  seeds: 50,
  plant() {
    let records: Records | undefined
    const trim = (path: string, from: number, to: number) => {
      const log = records?.log(path)
      if (log) records?.transact(() => records?.trim(log.id, from, to, (records?.lastSeq() ?? 0) + 1))
    }
    return {
      records(opened) {
        records = opened
        return opened
      },
      engine: (engine) =>
        changedAppends(engine, (append) => ({
          ...append,
          parts: append.parts.map(({ trim: range, ...part }) => {
            if (!range || !records) return part
            const [from, to] = [range.from, range.to].map((ts) => seqOf(ts, records?.storeId ?? '', Number.MAX_VALUE))
            trim(part.path, from ?? 0, to ?? 0)
            return part
          }),
        })),
    }
  },
}

const trimTooMany: TrimFault = {
  name: 'a trim takes one too many',
  breaks: 'an entry goes that nothing stands for',
  caughtBy: ['acknowledged once', 'trimmed is covered'],
  seeds: 50,
  plant: () => ({
    records: (records) => ({
      ...records,
      trim(logId, from, to, cover) {
        const next = records.page(logId, to - 1, Number.MAX_SAFE_INTEGER)[0]
        records.trim(logId, from, next && next.seq !== cover ? next.seq + 1 : to, cover)
      },
    }),
  }),
}

const wrongInterval: TrimFault = {
  name: 'a cover has the wrong interval',
  breaks: 'readers take the first entry that it stands for as lost',
  caughtBy: ['exact covers', 'acknowledged once', 'trimmed is covered'],
  seeds: 50,
  plant: () => ({
    records: (records) => ({
      ...records,
      addEntry: (logId, entry) => records.addEntry(logId, entry.lo < entry.hi ? { ...entry, lo: entry.lo + 1 } : entry),
    }),
  }),
}

const trimUncovered: TrimFault = {
  name: 'a cover says that it stands for more than it holds',
  breaks: 'entries that came between are trimmed with the others',
  caughtBy: ['acknowledged once', 'trimmed is covered', 'exact covers'],
  seeds: 50,
  plant: () => ({
    records: (records) => ({
      ...records,
      addEntry: (logId, entry) =>
        records.addEntry(logId, entry.lo < entry.seq ? { ...entry, hi: entry.seq - 1 } : entry),
      trim: (logId, from, _to, cover) => records.trim(logId, from, cover, cover),
    }),
  }),
}

/** Faults of trimming. */
export const trimFaults: readonly TrimFault[] = [trimFirst, trimTooMany, wrongInterval, trimUncovered]
