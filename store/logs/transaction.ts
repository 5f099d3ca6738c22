/** A transaction over open logs: collected first, then appended at one timestamp. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Log, Transaction } from '../store.ts'
import { logInside } from './open-log.ts'
import type { OpenStore } from './open-store.ts'
import { toConditions, toData, toMoments, toText } from './plain.ts'
import type { AppendPart } from './request.ts'
import { formatTs } from './timestamp.ts'
import { requireOpId } from './write-rules.ts'

/** Begins a transaction over logs of one store. Throws `ERR_TOO_MANY`, or `ERR_BAD_REQUEST` for a log of another. */
export function beginTransaction(inside: OpenStore, logs: readonly Log[]): Transaction {
  if (logs.length > limits.store.transactionLogs)
    throw new GroveError('ERR_TOO_MANY', `transaction over more than ${limits.store.transactionLogs} logs`)
  for (const log of logs) logInside(log, inside).requireOpen()
  // Keyed by path: an entry's name is its log and its timestamp, so a transaction appends to a log at most once.
  const parts = new Map<string, AppendPart>()
  const trims = new Map<string, NonNullable<AppendPart['trim']>>()
  let ended = false

  function requireUnended(): void {
    if (ended) throw new GroveError('ERR_CLOSED', 'transaction has ended')
  }

  function takingPart(log: Log): { readonly path: string; readonly handle: AppendPart['handle'] } {
    requireUnended()
    const { path, handle, requireOpen } = logInside(log, inside)
    requireOpen()
    if (!logs.includes(log)) throw new GroveError('ERR_BAD_REQUEST', `${path} is not part of the transaction`)
    return { path, handle }
  }

  return {
    write(log, data, options = {}) {
      const { path, handle } = takingPart(log)
      if (parts.has(path)) throw new GroveError('ERR_BAD_REQUEST', `transaction writes to ${path} already`)
      parts.set(path, { path, handle, data: toData(data), ...toConditions(options) })
    },
    trim(log, from, to) {
      const { path } = takingPart(log)
      if (trims.has(path)) throw new GroveError('ERR_BAD_REQUEST', `transaction trims ${path} already`)
      trims.set(path, { from: toText(from), to: toText(to) })
    },
    async commit(options = {}) {
      requireUnended()
      if (parts.size === 0) throw new GroveError('ERR_BAD_REQUEST', 'transaction writes nothing')
      for (const path of trims.keys())
        if (!parts.has(path))
          throw new GroveError('ERR_BAD_REQUEST', `transaction trims ${path} and writes nothing there to stand for it`)
      ended = true
      for (const log of logs) logInside(log, inside).requireOpen()
      const { opId } = options
      if (opId !== undefined) requireOpId(opId)
      const all = [...parts.values()].map((part) => ({ ...part, trim: trims.get(part.path) }))
      const bytes = all.reduce((sum, { data }) => sum + data.length, 0)
      const after = toMoments(options.after)
      const { seq } = await inside.caller.call({ kind: 'append', parts: all, opId, after }, bytes)
      return formatTs(inside.id, seq)
    },
    abort() {
      ended = true
      parts.clear()
      trims.clear()
    },
  }
}
