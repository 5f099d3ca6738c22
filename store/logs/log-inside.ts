/** An open log, seen from inside: what reads, watches and transactions need of it. */

import type { Entry, Handle } from '../store.ts'
import type { Feed } from './feed.ts'
import type { OpenStore } from './open-store.ts'
import type { EntryRecord } from './records.ts'
import type { Answers, RequestOf, Verified } from './request.ts'
import { formatTs } from './timestamp.ts'

/** What watches and transactions need of a log that was opened. */
export interface LogInside {
  readonly inside: OpenStore
  readonly path: string
  readonly handle: Handle
  readonly feed: Feed
  /** What the handle was found to allow when the log was opened; undefined when it may not read. */
  readonly reader: Verified | undefined
  /** How often somebody may have lost a right until then. */
  readonly rights: number
  /** Throws `ERR_CLOSED` once the log or the store is closed. */
  requireOpen(): void
  /** Aborts when the log is closed. */
  readonly closed: AbortSignal
}

/** One page under the rights of this moment. */
export function pageOf(
  { inside, handle, path, requireOpen }: LogInside,
  range: Pick<RequestOf<'page'>, 'afterSeq' | 'uptoSeq' | 'most' | 'whole'>,
): Promise<Answers['page']> {
  requireOpen()
  return inside.caller.call({ kind: 'page', handle, path, ...range })
}

/** An entry as shown. */
export function entryOf(storeId: string, record: EntryRecord): Entry {
  const { seq, lo, hi, data, after, writer, atMs, opId } = record
  const ts = formatTs(storeId, seq)
  return {
    ts,
    lo: lo === seq ? ts : formatTs(storeId, lo),
    hi: hi === seq ? ts : formatTs(storeId, hi),
    data,
    after: after.map((moment) => formatTs(storeId, moment)),
    writer,
    atMs,
    opId,
  }
}
