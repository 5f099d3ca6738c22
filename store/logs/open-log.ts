/** An open log: reads, watches and writes under one handle, whose rights are checked at each step. */

import { GroveError, isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Entry, Handle, Log, Ts } from '../store.ts'
import { entryOf, type LogInside, pageOf } from './log-inside.ts'
import type { OpenStore } from './open-store.ts'
import { toConditions, toData, toMoments, toText } from './plain.ts'
import type { EntryRecord } from './records.ts'
import { formatTs, seqOf } from './timestamp.ts'
import { watchEntries } from './watch.ts'
import { requireOpId } from './write-rules.ts'

const insides = new WeakMap<Log, LogInside>()

/** The inside of a log that {@link openLog} made for this store. Throws `ERR_BAD_REQUEST` for any other. */
export function logInside(log: Log, inside: OpenStore): LogInside {
  const found = insides.get(log)
  if (found?.inside === inside) return found
  throw new GroveError('ERR_BAD_REQUEST', 'the log is not an open log of this store')
}

/** Opens a log. Throws like {@link Store.open}. */
export async function openLog(inside: OpenStore, handle: Handle, path: string): Promise<Log> {
  const { caller, feeds } = inside
  const feed = feeds.enter(path)
  const { rights } = feeds
  try {
    const { head, reader } = await caller.call({ kind: 'open', handle, path })
    feed.opened(head)
    return logOf(inside, { path, handle, feed, reader, rights })
  } catch (error) {
    feed.leave()
    throw error
  }
}

function logOf(inside: OpenStore, opened: Pick<LogInside, 'path' | 'handle' | 'feed' | 'reader' | 'rights'>): Log {
  const { caller, feeds, id } = inside
  const { path, handle, feed } = opened
  const closing = new AbortController()

  function requireOpen(): void {
    inside.requireOpen()
    if (closing.signal.aborted) throw new GroveError('ERR_CLOSED', `log ${path} is closed`)
  }

  const self: LogInside = { ...opened, inside, requireOpen, closed: closing.signal }
  const seqIn = (ts: Ts) => seqOf(ts, id, feeds.lastSeq)
  const log: Log = {
    path,
    async head() {
      requireOpen()
      const seq = await caller.call({ kind: 'head', handle, path })
      return seq === 0 ? undefined : formatTs(id, seq)
    },
    async stat() {
      requireOpen()
      return caller.call({ kind: 'stat', handle, path })
    },
    read(range = {}) {
      requireOpen()
      const afterSeq = range.after === undefined ? undefined : seqIn(range.after)
      const uptoSeq = range.upto === undefined ? undefined : seqIn(range.upto)
      return readEntries(self, { afterSeq, uptoSeq, lastSeq: feeds.lastSeq }, range.limit ?? Number.POSITIVE_INFINITY)
    },
    watch(after, { signal }) {
      requireOpen()
      return watchEntries(self, after === undefined ? 0 : seqIn(after), signal)
    },
    async write(data, options = {}) {
      requireOpen()
      const { opId } = options
      if (opId !== undefined) requireOpId(opId)
      const part = { path, handle, data: toData(data), ...toConditions(options) }
      const after = toMoments(options.after)
      const { seq } = await caller.call({ kind: 'append', parts: [part], opId, after }, part.data.length)
      return formatTs(id, seq)
    },
    async trim(from, to, { by }) {
      requireOpen()
      await caller.call({ kind: 'trim', handle, path, from: toText(from), to: toText(to), by: toText(by) })
    },
    async close() {
      if (closing.signal.aborted) return
      closing.abort()
      feed.leave()
    },
    [Symbol.asyncDispose]: () => log.close(),
  }
  insides.set(log, self)
  return log
}

/** What a read was asked for, and the newest moment at the call. */
interface ReadRange {
  readonly afterSeq: number | undefined
  readonly uptoSeq: number | undefined
  readonly lastSeq: number
}

async function* readEntries(log: LogInside, range: ReadRange, limit: number): AsyncGenerator<Entry> {
  const { feeds, id } = log.inside
  let uptoSeq = range.uptoSeq ?? range.lastSeq
  let left = limit
  let tries = 0
  // Whoever asks from the beginning gets what is kept; from then on nothing may be lost between two pages.
  let whole = range.afterSeq !== undefined

  async function pageAfter(afterSeq: number): Promise<readonly EntryRecord[]> {
    for (;;) {
      try {
        const page = await pageOf(log, { afterSeq, uptoSeq, most: Math.min(left, limits.store.pageEntries), whole })
        return page.entries
      } catch (error) {
        // The oldest entries went after the call, and what stands for them is newer than it: both belong together.
        const isMoved = !whole && range.uptoSeq === undefined && isGroveError(error, 'ERR_TRIMMED')
        if (!isMoved || tries >= limits.store.conflictRetries) throw error
        tries += 1
        uptoSeq = feeds.lastSeq
      }
    }
  }

  for (let cursor = range.afterSeq ?? 0; left > 0; whole = true) {
    const entries = await pageAfter(cursor)
    if (entries.length === 0) return
    for (const entry of entries) yield entryOf(id, entry)
    left -= entries.length
    cursor = entries.at(-1)?.seq ?? uptoSeq
  }
}
