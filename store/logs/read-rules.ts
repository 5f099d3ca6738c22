/** What is answered without a change: whoever asks has to have the right at that moment. */

import { GroveError } from '../../core/errors.ts'
import { narrowedInfo } from '../grants/grant-info.ts'
import { allowanceOf, chainOf, type GrantChain, refusal, requireRight } from '../grants/grants.ts'
import type { GrantInfo, Handle, LogInfo } from '../store.ts'
import type { EntryRecord, LogRecord } from './records.ts'
import type { Answers, Requests, Verified } from './request.ts'
import type { Step } from './step.ts'
import { toLogPath, toPrefix } from './store-path.ts'
import { formatTs } from './timestamp.ts'
import { requireOpId } from './write-rules.ts'

/** See {@link Store.check}. */
export function check(step: Step, { handle, right, path, claim }: Requests['check']): GrantInfo {
  toPrefix(path)
  return narrowedInfo(step, requireRight(step, handle, right, path, claim))
}

/** See {@link Store.whoami}. */
export function whoami(step: Step, { handle }: Requests['whoami']): GrantInfo {
  return narrowedInfo(step, chainOf(step, handle))
}

/** See {@link Store.list}. */
export function list(step: Step, { handle, prefix }: Requests['list']): readonly string[] {
  requireRight(step, handle, 'read', toPrefix(prefix))
  return step.records.logPaths(prefix)
}

/** See {@link Store.lookup}. */
export function lookup(step: Step, { handle, path, opId }: Requests['lookup']): number | undefined {
  requireOpId(opId)
  return step.records.seqOfOp(findLog(step, handle, path).log.id, opId)
}

/** See {@link Store.open}. */
export function open(step: Step, { handle, path }: Requests['open']): Answers['open'] {
  const { log, chain } = findLog(step, handle, path)
  const reader = refusal(chain, 'read', path) === undefined ? verified(chain) : undefined
  return { head: step.records.head(log.id), trimmedSeq: log.trimmedSeq, reader }
}

/** See {@link Log.head}; 0 for an empty log. */
export function head(step: Step, { handle, path }: Requests['head']): number {
  return step.records.head(readLog(step, handle, path).log.id)
}

/** See {@link Store.stat}. */
export function stat(step: Step, { handle, path }: Requests['stat']): LogInfo {
  const { log } = readLog(step, handle, path)
  const { records } = step
  const { oldest, entries, bytes } = records.extent(log.id)
  const ts = (seq: number) => (seq === 0 ? undefined : formatTs(records.storeId, seq))
  const trimmed =
    log.trimmedSeq === 0
      ? undefined
      : { upto: formatTs(records.storeId, log.trimmedSeq), cover: formatTs(records.storeId, log.coverSeq) }
  return {
    path,
    serialized: log.serialized,
    head: ts(records.head(log.id)),
    oldest: ts(oldest),
    trimmed,
    entries,
    bytes,
  }
}

/**
 * A step of a read or a watch. Throws `ERR_TRIMMED` when something of what was asked for is forgotten: what was there is
 * never passed over in silence. Whoever asks from the oldest on gets what stands for it, as far as that is in the range.
 */
export function page(step: Step, { handle, path, afterSeq, uptoSeq, most, whole }: Requests['page']): Answers['page'] {
  const { log, chain } = readLog(step, handle, path)
  if (whole ? afterSeq < log.trimmedSeq : uptoSeq < log.coverSeq) throw trimmedError(step, log)
  const entries = uptoSeq <= afterSeq ? [] : step.records.page(log.id, afterSeq, uptoSeq)
  return { entries: bounded(entries, most), reader: verified(chain) }
}

function bounded(entries: readonly EntryRecord[], most: number): readonly EntryRecord[] {
  return entries.length > most ? entries.slice(0, most) : entries
}

function trimmedError({ records }: Step, log: LogRecord): GroveError {
  const oldest = records.page(log.id, 0, records.head(log.id))[0]?.seq
  const cover = formatTs(records.storeId, log.coverSeq)
  const upto = formatTs(records.storeId, log.trimmedSeq)
  return new GroveError('ERR_TRIMMED', `${log.path} is trimmed up to ${upto}; entry ${cover} stands for what is gone`, {
    details: { oldest: oldest === undefined ? undefined : formatTs(records.storeId, oldest), cover },
  })
}

/** A log, for whoever may read or write it. Rights come first: what exists is not told to others. */
function findLog(step: Step, handle: Handle, path: string): { log: LogRecord; chain: GrantChain } {
  toLogPath(path)
  const chain = chainOf(step, handle)
  const right = refusal(chain, 'read', path) === 'rights' ? 'write' : 'read'
  // Whoever has used up a quota may still look at what became of it.
  if (right === 'read' || refusal(chain, 'write', path) !== 'quota') requireRight(step, handle, right, path)
  return { log: known(step, path), chain }
}

function readLog(step: Step, handle: Handle, path: string): { log: LogRecord; chain: GrantChain } {
  const chain = requireRight(step, handle, 'read', toLogPath(path))
  return { log: known(step, path), chain }
}

function known({ records }: Step, path: string): LogRecord {
  const log = records.log(path)
  if (!log) throw new GroveError('ERR_NOT_FOUND', `no log ${path}`)
  return log
}

function verified(chain: GrantChain): Verified {
  return { untilMs: allowanceOf(chain).untilMs }
}
