/** Keeping a log short: one entry takes the place of all before it. */

import { justAfter } from '../store/logs/timestamp.ts'
import type { Log, Store, Ts } from '../store/store.ts'

/**
 * Writes an entry that stands for all entries of a log up to a moment, and forgets those, in one step. Entries that came
 * after the moment stay: a reader must take them together with the new one, though it is younger. Does nothing to an
 * empty log.
 */
export async function coverLog(store: Store, log: Log, upto: Ts, data: Uint8Array): Promise<void> {
  const { oldest } = await log.stat()
  if (oldest === undefined) return
  const transaction = await store.begin(log)
  transaction.write(log, data, { covers: { lo: oldest, hi: upto } })
  transaction.trim(log, oldest, justAfter(upto))
  await transaction.commit()
}
