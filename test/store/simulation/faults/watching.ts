/** Faults of reading and watching (G1, G6, G12). */

import type { Log, WatchEvent } from '../../../../store/store.ts'
import type { LogPieces, PlantedFault } from '../fault.ts'
import { instead } from './instead.ts'

/** A fault of reading. */
type WatchFault = PlantedFault<LogPieces>

type Watch = Log['watch']

/** Pieces whose logs are watched in another way. */
function watching(change: (log: Log) => Watch): LogPieces {
  return {
    store: (store) => instead(store, { open: async (...which) => opened(await store.open(...which), change) }),
  }
}

/** A log that is watched in another way. Who begins a transaction gives the log itself: it has to be the store's own. */
function opened(log: Log, change: (log: Log) => Watch): Log {
  log.watch = change(instead(log, { watch: log.watch.bind(log) }))
  return log
}

const pageLosesFirst: WatchFault = {
  name: 'an entry is lost between two pages',
  breaks: 'a reader passes over the first entry of every page but the first',
  caughtBy: ['whole reads', 'complete watches', 'acknowledged once'],
  seeds: 50,
  plant: () => ({
    records: (records) => ({
      ...records,
      page: (logId, after, upto) => records.page(logId, after, upto).slice(after > 0 ? 1 : 0),
    }),
  }),
}

const watchFromHead: WatchFault = {
  name: 'a watch goes on from the head',
  breaks: 'what came while the watcher was away is passed over',
  caughtBy: ['complete watches'],
  seeds: 50,
  plant: () =>
    watching(
      (log) =>
        async function* (_after, options) {
          yield* log.watch(await log.head(), options)
        },
    ),
}

const deliveredTwice: WatchFault = {
  name: 'an entry is delivered twice',
  breaks: 'a watcher counts it twice',
  caughtBy: ['ordered watches'],
  seeds: 50,
  plant: () =>
    watching(
      (log) =>
        async function* (after, options) {
          let count = 0
          for await (const event of log.watch(after, options)) {
            yield event
            if (event.kind === 'entry') count += 1
            if (event.kind === 'entry' && count % 5 === 0) yield event
          }
        },
    ),
}

const progressEarly: WatchFault = {
  name: 'progress is told too early',
  breaks: 'a watcher that resumes from the mark misses what had not been delivered',
  caughtBy: ['ordered watches', 'complete watches'],
  seeds: 50,
  plant: () =>
    watching(
      (log) =>
        async function* (after, options) {
          for await (const event of log.watch(after, options)) {
            if (event.kind === 'entry') yield { kind: 'progress', ts: event.entry.ts }
            yield event
          }
        },
    ),
}

const resetUntold: WatchFault = {
  name: 'a trimmed cursor is not noticed',
  breaks: 'a watcher goes on behind a hole, without a word',
  caughtBy: ['complete watches', 'trimmed is covered', 'whole reads'],
  seeds: 50,
  plant: () => ({
    records: (records) => ({
      ...records,
      log(path) {
        const log = records.log(path)
        return log && { ...log, trimmedSeq: 0, coverSeq: 0 }
      },
    }),
  }),
}

const readAhead: WatchFault = {
  name: 'a watch reads ahead without a bound',
  breaks: 'a watcher that is slow makes the process grow',
  caughtBy: ['bounded memory'],
  seeds: 50,
  plant: () =>
    watching((log) => (after, options) => {
      const ahead: WatchEvent[] = []
      let rang = Promise.withResolvers<void>()
      let isOver = false
      const reading = (async () => {
        for await (const event of log.watch(after, options)) {
          ahead.push(event)
          rang.resolve()
        }
      })().finally(() => {
        isOver = true
        rang.resolve()
      })
      return (async function* () {
        for (;;) {
          for (let event = ahead.shift(); event; event = ahead.shift()) yield event
          if (isOver) return await reading
          rang = Promise.withResolvers<void>()
          await rang.promise
        }
      })()
    }),
}

/** Faults of reading and watching. */
export const watchFaults: readonly WatchFault[] = [
  pageLosesFirst,
  watchFromHead,
  deliveredTwice,
  progressEarly,
  resetUntold,
  readAhead,
]
