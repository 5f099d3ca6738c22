/** One open log on this side of the engine: its head, and for those who watch it its newest entries. */

import { limits } from '../../core/limits.ts'
import type { EntryRecord } from './records.ts'

/** One open log, shared by all who have it open. */
export interface Feed {
  readonly path: string
  /** The newest entry's moment, 0 for none. */
  readonly head: number
  /** Whether {@link next} knows what comes after a moment without asking. */
  knows(afterSeq: number): boolean
  /** The first entry after a moment, undefined when there is none. Only for a moment that is known. */
  next(afterSeq: number): EntryRecord | undefined
  /** Takes note of what an engine said when the log was opened. */
  opened(head: number): void
  /** Counts a watcher in; the result counts it out, once. `wake` is called when there may be something new for it. */
  watch(wake: () => void): () => void
  /** Has to be called once for each {@link Feeds.enter}. */
  leave(): void
}

/** A feed as its keeper sees it. */
export interface KeptFeed extends Feed {
  /** How many have the log open. */
  users: number
  /** Takes in an entry that was committed. */
  keep(entry: EntryRecord): void
  /** Takes in that the log has a new head, whose entry is not known here. */
  grown(head: number): void
  /** Keeps no entries up to a moment. */
  forget(uptoSeq: number): void
  wake(): void
}

/** Bytes of entries that are kept for all logs together. */
export interface Budget {
  usedBytes: number
}

/** The feed of a log of which nothing is known yet. `left` is called at each {@link Feed.leave}. */
export function createFeed(path: string, budget: Budget, left: (feed: KeptFeed) => void): KeptFeed {
  let head = 0
  /** All entries after `from`, up to the head; `from` is the head when none are kept. Nothing is known before opening. */
  let from = Number.POSITIVE_INFINITY
  const tail: EntryRecord[] = []
  let tailBytes = 0
  const wakers = new Set<() => void>()

  /** Drops the oldest entries that are kept. */
  function drop(count: number): void {
    const dropped = tail.splice(0, count)
    const bytes = dropped.reduce((sum, { data }) => sum + data.length, 0)
    tailBytes -= bytes
    budget.usedBytes -= bytes
    from = dropped.at(-1)?.seq ?? from
  }

  function forget(uptoSeq: number): void {
    const kept = tail.findIndex(({ seq }) => seq > uptoSeq)
    drop(kept === -1 ? tail.length : kept)
    if (Number.isFinite(from)) from = Math.max(from, uptoSeq)
  }

  function keep(entry: EntryRecord): void {
    head = entry.seq
    if (!Number.isFinite(from)) return
    const { length } = entry.data
    const fits = length <= limits.store.tailBytes && budget.usedBytes + length <= limits.store.tailsBytes
    if (wakers.size === 0 || !fits) {
      forget(entry.seq)
      return
    }
    tail.push(entry)
    tailBytes += length
    budget.usedBytes += length
    drop(surplusOf(tail, tailBytes))
  }

  const feed: KeptFeed = {
    path,
    get head() {
      return head
    },
    users: 0,
    knows: (afterSeq) => afterSeq >= from,
    next(afterSeq) {
      // Most who ask have seen all but the last few.
      let index = tail.length
      while (index > 0 && (tail[index - 1] as EntryRecord).seq > afterSeq) index -= 1
      return tail[index]
    },
    opened(found) {
      if (Number.isFinite(from)) return
      head = Math.max(head, found)
      from = head
    },
    watch(wake) {
      wakers.add(wake)
      return () => {
        if (wakers.delete(wake) && wakers.size === 0) forget(head)
      }
    },
    leave: () => left(feed),
    keep,
    grown(reached) {
      if (reached <= head) return
      head = reached
      forget(reached)
    },
    forget,
    wake() {
      for (const wake of [...wakers]) wake()
    },
  }
  return feed
}

/** How many of the oldest entries are more than may be kept. */
function surplusOf(tail: readonly EntryRecord[], tailBytes: number): number {
  let count = 0
  for (
    let bytes = tailBytes;
    bytes > limits.store.tailBytes || tail.length - count > limits.store.tailEntries;
    count += 1
  )
    bytes -= tail[count]?.data.length ?? bytes
  return count
}
