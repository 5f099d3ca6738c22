/** Keeping a log short: one entry takes the place of all before it. */

import type { Log, Store, Ts } from '../store.ts'
import { justAfter } from './timestamp.ts'

/**
 * Writes an entry that stands for all entries of a log up to a moment, and forgets those, in one step; answers its
 * timestamp. Entries that came after the moment stay: a reader must take them together with the new one, though it is
 * younger. Does nothing to an empty log, and answers undefined. `expect`: as in a write, for a serialized log.
 */
export async function coverLog(
  store: Store,
  log: Log,
  upto: Ts,
  data: Uint8Array,
  options: { readonly expect?: Ts } = {},
): Promise<Ts | undefined> {
  const { oldest } = await log.stat()
  if (oldest === undefined) return undefined
  const transaction = await store.begin(log)
  transaction.write(log, data, { covers: { lo: oldest, hi: upto }, ...options })
  transaction.trim(log, oldest, justAfter(upto))
  return await transaction.commit()
}
