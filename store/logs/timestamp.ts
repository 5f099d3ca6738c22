/** The two forms of a moment: a number inside a driver, a {@link Ts} outside. */

import { GroveError } from '../../core/errors.ts'
import type { Ts } from '../store.ts'

const pattern = /^([0-9a-f]{16})\.(\d{20})$/

/** The timestamp of a store's n-th moment. `seq`: 1 and up. */
export function formatTs(storeId: string, seq: number): Ts {
  return `${storeId}.${String(seq).padStart(20, '0')}` as Ts
}

/**
 * The number of a moment that this store has reached. Throws `ERR_BAD_REQUEST` for a text of another form, and
 * `ERR_AFTER_NOT_VISIBLE` for a moment of another store or one that has not come: whoever was shown it has seen more
 * than this store holds (a restored copy, for example), and going on from it would pass over entries in silence.
 */
export function seqOf(ts: Ts, storeId: string, lastSeq: number): number {
  const { id, seq } = parse(ts)
  if (id === storeId && seq <= lastSeq) return seq
  const why = id === storeId ? `it ends at ${formatTs(storeId, lastSeq)}` : `its own id is ${storeId}`
  throw new GroveError('ERR_AFTER_NOT_VISIBLE', `timestamp ${ts} is not in this store: ${why}`)
}

/** The timestamp just before another one of the same store: a cursor from which the other is the first to be read. */
export function justBefore(ts: Ts): Ts {
  const { id, seq } = parse(ts)
  return formatTs(id, Math.max(0, seq - 1))
}

/** The timestamp just after another one of the same store: the end of an interval in which the other is the last. */
export function justAfter(ts: Ts): Ts {
  const { id, seq } = parse(ts)
  return formatTs(id, seq + 1)
}

function parse(ts: unknown): { readonly id: string; readonly seq: number } {
  const [, id, digits] = (typeof ts === 'string' && pattern.exec(ts)) || []
  if (id === undefined || digits === undefined)
    throw new GroveError('ERR_BAD_REQUEST', `${JSON.stringify(String(ts).slice(0, 64))} is not a timestamp`)
  return { id, seq: Number(digits) }
}
