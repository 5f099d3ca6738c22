/**
 * When an entry is ended, on a grid of moments that entries have in common.
 *
 * isolated-vm keeps a timer for every entry until its moment has come, long after the entry has ended by itself, and a
 * thread that wakes for each: thousands of times a second in a busy process, a tenth of its time (measured). It looks after
 * all that are due whenever it wakes, so moments that lie together cost one.
 */

/** How far apart the moments are, in milliseconds. */
const gridMs = 16

/**
 * How long an entry may take that begins at a moment of the monotonic clock and is to have so long, in whole milliseconds: so
 * much, or up to {@link gridMs} more.
 */
export function entryTimeoutMs(startedAtMs: number, allowedMs: number): number {
  const endsAtMs = Math.ceil((startedAtMs + allowedMs) / gridMs) * gridMs
  return Math.ceil(endsAtMs - startedAtMs)
}
