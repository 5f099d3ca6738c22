/** The one way into a log: checks and appends to one or more logs at one moment, all or nothing. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { requireRight } from '../grants/grants.ts'
import type { Handle, Ts, WriteOptions } from '../store.ts'
import type { OpenStore } from './open-store.ts'
import type { LogRecord } from './records.ts'
import { formatTs, seqOf } from './timestamp.ts'

/** An append to one log. */
export interface Append {
  readonly log: LogRecord
  readonly handle: Handle
  readonly data: Uint8Array
  /** What the log's head has to be, if that was asked for. */
  readonly expected: { readonly head: Ts | undefined } | undefined
}

/** The expectation in a caller's options: none when the property is not given, an empty log when it is undefined. */
export function expectationOf(options: Pick<WriteOptions, 'expect'> | undefined): Append['expected'] {
  return options && Object.hasOwn(options, 'expect') ? { head: options.expect } : undefined
}

/** Whether a text can be an operation's id. Throws `ERR_BAD_REQUEST`. */
export function requireOpId(opId: string): void {
  const { opIdMinChars, opIdMaxChars } = limits.store
  if (opId.length < opIdMinChars || opId.length > opIdMaxChars)
    throw new GroveError(
      'ERR_BAD_REQUEST',
      `operation id has ${opId.length} characters, not ${opIdMinChars} to ${opIdMaxChars}`,
    )
}

/** Appends and answers the timestamp; throws as {@link Log.write} says, and then nothing was written. */
export function append(
  inside: OpenStore,
  appends: readonly Append[],
  options: Pick<WriteOptions, 'opId' | 'after'>,
): Ts {
  inside.requireOpen()
  for (const { data, log, expected } of appends) {
    if (data.length > limits.store.entryBytes)
      throw new GroveError('ERR_TOO_LARGE', `entry of ${data.length} bytes; at most ${limits.store.entryBytes}`)
    if (log.serialized && !expected)
      throw new GroveError('ERR_BAD_REQUEST', `${log.path} is serialized: a write has to say which head it expects`)
  }
  if (options.opId !== undefined) requireOpId(options.opId)
  const { records } = inside
  const seq = records.transact(() => {
    const writers = appends.map(({ handle, log }) => requireRight(inside, handle, 'write', log.path))
    // A repeat comes with the expectation of its first try, so it is looked for before that is compared.
    const first = options.opId === undefined ? undefined : firstSeq(inside, appends, options.opId)
    if (first !== undefined) return first
    for (const ts of options.after ?? []) seqOf(ts, records.storeId, records.lastSeq())
    for (const { log, expected } of appends) if (expected) requireHead(inside, log, expected.head)
    const next = records.takeSeq()
    for (const [index, { log, data }] of appends.entries())
      records.addEntry(log.id, { seq: next, data, writer: writers[index] ?? '', opId: options.opId })
    return next
  })
  for (const { log } of appends) inside.watchers.wake(log.id)
  return formatTs(records.storeId, seq)
}

/** The moment at which the operation happened, in all of these logs alike. */
function firstSeq(inside: OpenStore, appends: readonly Append[], opId: string): number | undefined {
  const seqs = new Set(appends.map(({ log }) => inside.records.seqOfOp(log.id, opId)))
  if (seqs.size > 1) throw new GroveError('ERR_BAD_REQUEST', `operation id ${opId} was used for another operation`)
  return seqs.values().next().value
}

function requireHead(inside: OpenStore, log: LogRecord, expected: Ts | undefined): void {
  const seq = inside.records.head(log.id)
  const head = seq === 0 ? undefined : formatTs(inside.records.storeId, seq)
  if (head === expected) return
  throw new GroveError(
    'ERR_CONFLICT',
    `the head of ${log.path} is ${head ?? 'nothing yet'}, not ${expected ?? 'nothing yet'}`,
    {
      details: { head },
    },
  )
}
