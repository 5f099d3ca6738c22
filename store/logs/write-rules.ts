/** The one way into a log: checks and appends to one or more logs at one moment, all or nothing. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { chainOf, type GrantChain, refusal, requireRight } from '../grants/grants.ts'
import { type QuotaUse, quotaRefusal, useQuotas } from '../grants/quotas.ts'
import type { Ts } from '../store.ts'
import type { LogRecord } from './records.ts'
import type { Appended, AppendPart, Requests } from './request.ts'
import type { Step } from './step.ts'
import { formatTs, seqOf } from './timestamp.ts'
import { doTrim, type Trim, trimOf } from './trim-rules.ts'
import { requireLog } from './write-log.ts'

/** An append that nothing speaks against. */
interface Ready {
  readonly part: AppendPart
  readonly log: LogRecord
  readonly chain: GrantChain
  /** Undefined: only its own moment. */
  readonly covers: { readonly lo: number; readonly hi: number } | undefined
  readonly trimming: Trim | undefined
}

const opIdPattern = /^[\x21-\x7e]*$/

/** Whether a text can be an operation's id: visible ASCII, for a text has one form then. Throws `ERR_BAD_REQUEST`. */
export function requireOpId(opId: string): void {
  const { opIdMinChars, opIdMaxChars } = limits.store
  const isText = typeof opId === 'string' && opId.length >= opIdMinChars && opId.length <= opIdMaxChars
  if (isText && opIdPattern.test(opId)) return
  const message = `operation id: expected ${opIdMinChars} to ${opIdMaxChars} visible ASCII characters`
  throw new GroveError('ERR_BAD_REQUEST', `${message}, found ${isText ? 'others' : shapeOf(opId)}`)
}

function shapeOf(value: unknown): string {
  return typeof value === 'string' ? `${value.length}` : typeof value
}

/** Appends; throws as {@link Log.write} says, and then nothing was written. */
export function append(step: Step, { parts, opId, after }: Requests['append']): Appended {
  if (opId !== undefined) requireOpId(opId)
  const { records } = step
  // A repeat comes with the expectation of its first try and perhaps with a quota that this has used up, so it is
  // looked for before these are compared.
  const first = opId === undefined ? undefined : firstTry(step, parts, opId)
  if (first) return first
  const chains = parts.map(({ handle, path, data }) =>
    requireRight(step, handle, 'write', path, { bytes: data.length }),
  )
  if (after.length > limits.store.afterMoments)
    throw new GroveError('ERR_TOO_MANY', `entry after more than ${limits.store.afterMoments} others`)
  const moments = after.map((ts) => seqOf(ts, records.storeId, records.lastSeq()))
  const ready = parts.map((part, index) => readyPart(step, part, chains[index] as GrantChain))
  const uses: readonly QuotaUse[] = ready.map(({ part, chain }) => ({
    grants: chain.grants,
    bytes: part.data.length,
    writes: 1,
  }))
  const refused = parts.length > 1 ? quotaRefusal(uses) : undefined // One alone was held against it with the right.
  if (refused) throw refused

  const seq = records.takeSeq()
  useQuotas(step, uses)
  const covers = ready.map(({ part, log, chain, covers, trimming }) => {
    const interval = covers ?? { lo: seq, hi: seq }
    const { data } = part
    records.addEntry(log.id, { seq, ...interval, atMs: step.now(), data, after: moments, writer: chain.id, opId })
    step.grew(log.path, seq)
    if (trimming) doTrim(step, log, trimming, seq)
    return interval
  })
  return { seq, isNew: true, writers: chains.map(({ id }) => id), after: moments, covers }
}

/** The moment at which the operation happened, in all of these logs alike; undefined when it did not. */
function firstTry(step: Step, parts: readonly AppendPart[], opId: string): Appended | undefined {
  const seqs = new Set(parts.map(({ path }) => seqOfOp(step, path, opId)))
  if (seqs.size === 1 && seqs.has(undefined)) return undefined
  for (const { handle, path } of parts) requireWriter(step, handle, path)
  const [seq] = seqs
  if (seq === undefined || seqs.size > 1)
    throw new GroveError('ERR_BAD_REQUEST', `operation id ${opId} was used for another operation`)
  return { seq, isNew: false, writers: [], after: [], covers: [] }
}

function seqOfOp({ records }: Step, path: string, opId: string): number | undefined {
  const log = records.log(path)
  return log && records.seqOfOp(log.id, opId)
}

/** Throws `ERR_DENIED` unless the handle may write there, whatever quotas and contents it is bound to. */
function requireWriter(step: Step, handle: AppendPart['handle'], path: string): void {
  const reason = refusal(chainOf(step, handle), 'write', path)
  if (reason === 'rights' || reason === 'path') requireRight(step, handle, 'write', path)
}

function readyPart(step: Step, part: AppendPart, chain: GrantChain): Ready {
  const { records } = step
  const { path, data, expect } = part
  const log = requireLog(records, path)
  if (data.length > limits.store.entryBytes)
    throw new GroveError('ERR_TOO_LARGE', `entry of ${data.length} bytes; at most ${limits.store.entryBytes}`)
  if (log.serialized && !expect)
    throw new GroveError('ERR_BAD_REQUEST', `${path} is serialized: a write has to say which head it expects`)
  if (expect) requireHead(step, log, expect.head)
  const covers = part.covers && intervalOf(step, part.covers)
  return { part, log, chain, covers, trimming: part.trim && trimmingOf(step, log, part.trim, covers) }
}

function requireHead({ records }: Step, log: LogRecord, expected: Ts | undefined): void {
  const seq = records.head(log.id)
  const head = seq === 0 ? undefined : formatTs(records.storeId, seq)
  if (head === expected) return
  const message = `the head of ${log.path} is ${head ?? 'nothing yet'}, not ${String(expected ?? 'nothing yet').slice(0, 64)}`
  throw new GroveError('ERR_CONFLICT', message, { details: { head } })
}

/** The interval that an entry says it stands for. It lies in the past. */
function intervalOf({ records }: Step, covers: NonNullable<AppendPart['covers']>): { lo: number; hi: number } {
  const lo = seqOf(covers.lo, records.storeId, records.lastSeq())
  const hi = seqOf(covers.hi, records.storeId, records.lastSeq())
  if (lo > hi)
    throw new GroveError('ERR_BAD_REQUEST', `an entry stands for ${covers.lo} to ${covers.hi}: in this order`)
  return { lo, hi }
}

function trimmingOf(
  { records }: Step,
  log: LogRecord,
  range: NonNullable<AppendPart['trim']>,
  covers: Ready['covers'],
): Trim | undefined {
  return trimOf(records, log, range, () => {
    if (covers) return { seq: records.lastSeq() + 1, ...covers }
    throw new GroveError('ERR_BAD_REQUEST', `the entry of ${log.path} has to say what it covers to trim anything`)
  })
}
