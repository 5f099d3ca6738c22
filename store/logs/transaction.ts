/** A transaction over open logs: collected first, then appended at one timestamp. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Log, Transaction } from '../store.ts'
import { type Append, append, expectationOf } from './append.ts'
import { logInside } from './open-log.ts'
import type { OpenStore } from './open-store.ts'

/** Begins a transaction over logs of one store. Throws `ERR_TOO_MANY`, or `ERR_BAD_REQUEST` for a log of another. */
export function beginTransaction(inside: OpenStore, logs: readonly Log[]): Transaction {
  if (logs.length > limits.store.transactionLogs)
    throw new GroveError('ERR_TOO_MANY', `transaction over more than ${limits.store.transactionLogs} logs`)
  for (const log of logs) logInside(log, inside).requireOpen()
  // Keyed by path: an entry's name is its log and its timestamp, so a transaction appends to a log at most once.
  const appends = new Map<string, Append>()
  let ended = false

  function requireUnended(): void {
    if (ended) throw new GroveError('ERR_CLOSED', 'transaction has ended')
  }

  return {
    write(log, data, options) {
      requireUnended()
      const { record, handle, requireOpen } = logInside(log, inside)
      requireOpen()
      if (!logs.includes(log)) throw new GroveError('ERR_BAD_REQUEST', `${log.path} is not part of the transaction`)
      if (appends.has(record.path))
        throw new GroveError('ERR_BAD_REQUEST', `transaction writes to ${record.path} already`)
      // The caller may go on using its buffer until the commit.
      appends.set(record.path, { log: record, handle, data: new Uint8Array(data), expected: expectationOf(options) })
    },
    async commit(options = {}) {
      requireUnended()
      if (appends.size === 0) throw new GroveError('ERR_BAD_REQUEST', 'transaction writes nothing')
      ended = true
      for (const log of logs) logInside(log, inside).requireOpen()
      return append(inside, [...appends.values()], options)
    },
    abort() {
      ended = true
      appends.clear()
    },
  }
}
