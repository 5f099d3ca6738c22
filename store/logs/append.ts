/** Entries that the store itself writes: what happens to its grants is told in a log of its own. */

import type { GrantId } from '../store.ts'
import type { Records } from './records.ts'

/** An entry of a system log. */
export interface SystemEntry {
  readonly data: Uint8Array
  /** The grant under which the thing was done that is told. */
  readonly writer: GrantId
  readonly atMs: number
}

/** Appends to a system log at a moment. Only in a transaction. The log is there: it was made with the store. */
export function appendSystem(
  records: Pick<Records, 'log' | 'addEntry'>,
  path: string,
  seq: number,
  { data, writer, atMs }: SystemEntry,
): void {
  const log = records.log(path)
  if (!log) throw new Error(`there is no system log ${path}`)
  records.addEntry(log.id, { seq, lo: seq, hi: seq, atMs, data, after: [], writer, opId: undefined })
}
