/**
 * What may be forgotten: the oldest entries of a log, when one entry stands for them and for all that went before.
 *
 * So there is always one entry from which a reader who comes too late can begin, and nothing lacks between it and what
 * follows: read the cover, go on after its `hi`.
 */

import { GroveError } from '../../core/errors.ts'
import { requireRight } from '../grants/grants.ts'
import type { Ts } from '../store.ts'
import type { LogRecord, Records } from './records.ts'
import type { Requests } from './request.ts'
import type { Step } from './step.ts'
import { formatTs, seqOf } from './timestamp.ts'
import { requireLog } from './write-log.ts'

/** An entry that is to stand for others. */
export interface Cover {
  readonly seq: number
  readonly lo: number
  readonly hi: number
}

/** Entries that may go: `from <= seq < to`. */
export interface Trim {
  readonly from: number
  readonly to: number
}

/** Forgets entries of a log. Throws like {@link Log.trim}. */
export function trim(step: Step, { handle, path, from, to, by }: Requests['trim']): undefined {
  const { records } = step
  requireRight(step, handle, 'write', path)
  const log = requireLog(records, path)
  const seq = seqOf(by, records.storeId, records.lastSeq())
  const trimming = trimOf(records, log, { from, to }, () => {
    const cover = records.entry(log.id, seq)
    if (!cover) throw new GroveError('ERR_BAD_REQUEST', `${path} has no entry ${by} that could stand for others`)
    return cover
  })
  if (trimming) doTrim(step, log, trimming, seq)
}

/** Forgets what {@link trimOf} allowed. */
export function doTrim(step: Step, log: LogRecord, { from, to }: Trim, coverSeq: number): void {
  step.records.trim(log.id, from, to, coverSeq)
  step.trimmed(log.path, to - 1)
}

/** What a trim would forget, or undefined when there is nothing left of it. Throws `ERR_BAD_REQUEST` when it may not. */
export function trimOf(
  records: Records,
  log: LogRecord,
  range: { readonly from: Ts; readonly to: Ts },
  coverOf: () => Cover,
): Trim | undefined {
  // `to` is the first that stays: it may be the moment that comes next.
  const [from, to] = [range.from, range.to].map((ts) => seqOf(ts, records.storeId, records.lastSeq() + 1)) as [
    number,
    number,
  ]
  const oldest = records.page(log.id, 0, to - 1)[0]?.seq
  if (oldest === undefined) return undefined
  const ts = (seq: number) => formatTs(records.storeId, seq)
  if (oldest < from)
    throw new GroveError('ERR_BAD_REQUEST', `${log.path} is trimmed from its oldest entry on, which is ${ts(oldest)}`)
  const cover = coverOf()
  const interval = `entry ${ts(cover.seq)} of ${log.path} stands for ${ts(cover.lo)} to ${ts(cover.hi)}`
  if (cover.seq < to)
    throw new GroveError('ERR_BAD_REQUEST', `entry ${ts(cover.seq)} of ${log.path} cannot trim itself`)
  if (cover.lo > oldest || records.page(log.id, Math.max(cover.hi, 0), to - 1).length > 0)
    throw new GroveError('ERR_BAD_REQUEST', `${interval}, which is not all that is to be trimmed`)
  const { trimmedSeq, coverSeq } = log
  if (trimmedSeq !== 0 && coverSeq !== cover.seq && (coverSeq < cover.lo || coverSeq > cover.hi))
    throw new GroveError(
      'ERR_BAD_REQUEST',
      `${interval}, not for ${ts(coverSeq)}, which stands for what is gone by now`,
    )
  return { from: oldest, to: Math.min(to, cover.hi + 1) }
}
