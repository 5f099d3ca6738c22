/** An open log: reads, watches and writes under one handle, whose rights are checked at each step. */

import { GroveError } from '../../core/errors.ts'
import { requireRight } from '../grants/grants.ts'
import type { Entry, Handle, Log, Ts } from '../store.ts'
import { append, expectationOf } from './append.ts'
import type { OpenStore } from './open-store.ts'
import type { EntryRecord, LogRecord } from './records.ts'
import { formatTs, seqOf } from './timestamp.ts'

/** What a transaction needs of a log that was opened. */
export interface LogInside {
  readonly inside: OpenStore
  readonly record: LogRecord
  readonly handle: Handle
  /** Throws `ERR_CLOSED` once the log or the store is closed. */
  requireOpen(): void
  /** Aborts when the log is closed. */
  readonly closed: AbortSignal
}

const insides = new WeakMap<Log, LogInside>()

/** The inside of a log that {@link openLog} made for this store. Throws `ERR_BAD_REQUEST` for any other. */
export function logInside(log: Log, inside: OpenStore): LogInside {
  const found = insides.get(log)
  if (found?.inside === inside) return found
  throw new GroveError('ERR_BAD_REQUEST', 'the log is not an open log of this store')
}

/** Opens a log whose record was found. */
export function openLog(inside: OpenStore, handle: Handle, record: LogRecord): Log {
  const { records } = inside
  const closing = new AbortController()

  function requireOpen(): void {
    inside.requireOpen()
    if (closing.signal.aborted) throw new GroveError('ERR_CLOSED', `log ${record.path} is closed`)
  }

  const self: LogInside = { inside, record, handle, requireOpen, closed: closing.signal }
  const seqIn = (ts: Ts) => seqOf(ts, records.storeId, records.lastSeq())
  const log: Log = {
    path: record.path,
    async head() {
      requireOpen()
      return records.read(() => {
        requireRight(inside, handle, 'read', record.path)
        const seq = records.head(record.id)
        return seq === 0 ? undefined : formatTs(records.storeId, seq)
      })
    },
    read(range = {}) {
      requireOpen()
      const afterSeq = range.after === undefined ? 0 : seqIn(range.after)
      const uptoSeq = range.upto === undefined ? records.lastSeq() : seqIn(range.upto)
      return readPages(self, afterSeq, uptoSeq, range.limit ?? Number.POSITIVE_INFINITY)
    },
    watch(after, { signal }) {
      requireOpen()
      return watchPages(self, after === undefined ? 0 : seqIn(after), signal)
    },
    async write(data, options = {}) {
      requireOpen()
      return append(inside, [{ log: record, handle, data, expected: expectationOf(options) }], options)
    },
    async close() {
      closing.abort()
    },
    [Symbol.asyncDispose]: () => log.close(),
  }
  insides.set(log, self)
  return log
}

/** One page under the rights of this moment. */
function pageAfter(log: LogInside, afterSeq: number, uptoSeq: number): readonly EntryRecord[] {
  log.requireOpen()
  const { records } = log.inside
  return records.read(() => {
    requireRight(log.inside, log.handle, 'read', log.record.path)
    return records.page(log.record.id, afterSeq, uptoSeq)
  })
}

async function* readPages(log: LogInside, afterSeq: number, uptoSeq: number, limit: number): AsyncGenerator<Entry> {
  let left = limit
  for (let cursor = afterSeq; left > 0; ) {
    const page = pageAfter(log, cursor, uptoSeq)
    if (page.length === 0) return
    for (const entry of page.slice(0, left)) yield entryOf(log.inside.records.storeId, entry)
    left -= page.length
    cursor = page.at(-1)?.seq ?? uptoSeq
  }
}

async function* watchPages(log: LogInside, afterSeq: number, signal: AbortSignal): AsyncGenerator<Entry> {
  const { watchers, records } = log.inside
  const leave = watchers.enter()
  const stop = AbortSignal.any([signal, log.closed])
  try {
    for (let cursor = afterSeq; !signal.aborted; ) {
      const page = pageAfter(log, cursor, Number.MAX_SAFE_INTEGER)
      // Nothing can be committed between the empty page and the wait: both happen in one turn of the event loop.
      if (page.length === 0) await watchers.wait(log.record.id, stop)
      for (const entry of page) {
        if (signal.aborted) return
        yield entryOf(records.storeId, entry)
        cursor = entry.seq
      }
    }
  } finally {
    leave()
  }
}

function entryOf(storeId: string, { seq, data, writer, opId }: EntryRecord): Entry {
  return { ts: formatTs(storeId, seq), data, writer, opId }
}
