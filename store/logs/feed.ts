/**
 * What is known of the open logs on this side of the engine: their heads, and of those that are watched the newest
 * entries, so that many watchers of one log cost the engine nothing.
 */

import { limits } from '../../core/limits.ts'
import type { EntryRecord } from './records.ts'
import type { Appended, Batch, BatchAnswer, Request } from './request.ts'

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

/** The feeds of one store. */
export interface Feeds {
  /** The newest moment of the store. */
  readonly lastSeq: number
  /** Counts how often somebody may have lost a right. */
  readonly rights: number
  enter(path: string): Feed
  /** Takes in what a batch did, and wakes those who watch. */
  done(batch: Batch, answer: BatchAnswer): void
  wakeAll(): void
  /** The engine is gone: whoever watches has to ask, and will be told. */
  lost(): void
}

interface Inner extends Feed {
  head: number
  /** All entries after `from`, up to the head; `from` is the head when none are kept. */
  from: number
  tail: EntryRecord[]
  tailBytes: number
  users: number
  readonly wakers: Set<() => void>
}

/** The feeds of a store that has come to a moment. */
export function createFeeds(lastSeq: number): Feeds {
  const feeds = new Map<string, Inner>()
  let allBytes = 0
  let rights = 0

  function enter(path: string): Feed {
    const feed = feeds.get(path) ?? createFeed(path)
    feeds.set(path, feed)
    feed.users += 1
    return feed
  }

  function createFeed(path: string): Inner {
    const feed: Inner = {
      path,
      head: 0,
      // Nothing is known before the log was opened.
      from: Number.POSITIVE_INFINITY,
      tail: [],
      tailBytes: 0,
      users: 0,
      wakers: new Set(),
      knows: (afterSeq) => afterSeq >= feed.from,
      next(afterSeq) {
        // Most who ask have seen all but the last few.
        let index = feed.tail.length
        while (index > 0 && (feed.tail[index - 1] as EntryRecord).seq > afterSeq) index -= 1
        return feed.tail[index]
      },
      opened(head) {
        if (Number.isFinite(feed.from)) return
        feed.head = Math.max(feed.head, head)
        feed.from = feed.head
      },
      watch(wake) {
        feed.wakers.add(wake)
        return () => {
          if (feed.wakers.delete(wake) && feed.wakers.size === 0) forget(feed, feed.head)
        }
      },
      leave() {
        feed.users -= 1
        if (feed.users > 0) return
        forget(feed, feed.head)
        feeds.delete(path)
      },
    }
    return feed
  }

  /** Keeps no entries up to a moment. */
  function forget(feed: Inner, uptoSeq: number): void {
    const kept = feed.tail.findIndex(({ seq }) => seq > uptoSeq)
    drop(feed, kept === -1 ? feed.tail.length : kept)
    if (Number.isFinite(feed.from)) feed.from = Math.max(feed.from, uptoSeq)
  }

  /** Drops the oldest entries that are kept. */
  function drop(feed: Inner, count: number): void {
    const dropped = feed.tail.splice(0, count)
    const bytes = dropped.reduce((sum, { data }) => sum + data.length, 0)
    feed.tailBytes -= bytes
    allBytes -= bytes
    feed.from = dropped.at(-1)?.seq ?? feed.from
  }

  function keep(feed: Inner, entry: EntryRecord): void {
    feed.head = entry.seq
    if (!Number.isFinite(feed.from)) return
    const { length } = entry.data
    const fits = length <= limits.store.tailBytes && allBytes + length <= limits.store.tailsBytes
    if (feed.wakers.size === 0 || !fits) {
      forget(feed, entry.seq)
      return
    }
    feed.tail.push(entry)
    feed.tailBytes += length
    allBytes += length
    let count = 0
    for (let bytes = feed.tailBytes; isTooMuch(feed.tail.length - count, bytes); count += 1)
      bytes -= feed.tail[count]?.data.length ?? bytes
    if (count > 0) drop(feed, count)
  }

  function wake(feed: Inner): void {
    for (const waker of [...feed.wakers]) waker()
  }

  function wakeAll(): void {
    for (const feed of feeds.values()) wake(feed)
  }

  return {
    get lastSeq() {
      return lastSeq
    },
    get rights() {
      return rights
    },
    enter,
    done({ requests, nowMs }, { answers, changes, lastSeq: reached }) {
      lastSeq = reached
      if (changes.rights) rights += 1
      if (changes.grew.length > 0)
        for (const [index, request] of requests.entries()) {
          const answer = answers[index]
          if (request.kind !== 'append' || !answer || !('value' in answer)) continue
          for (const [path, entry] of entriesOf(request, answer.value as Appended, nowMs)) {
            const feed = feeds.get(path)
            if (feed) keep(feed, entry)
          }
        }
      for (const [path, head] of changes.grew) {
        const feed = feeds.get(path)
        // Entries that the store wrote itself were not among the requests.
        if (feed && feed.head < head) {
          feed.head = head
          forget(feed, head)
        }
      }
      for (const [path, seq] of changes.trimmed) {
        const feed = feeds.get(path)
        if (feed) forget(feed, seq)
      }
      if (changes.rights) return wakeAll()
      for (const [path] of changes.grew) {
        const feed = feeds.get(path)
        if (feed) wake(feed)
      }
    },
    wakeAll,
    lost() {
      rights += 1
      wakeAll()
    },
  }
}

function isTooMuch(entries: number, bytes: number): boolean {
  return entries > limits.store.tailEntries || bytes > limits.store.tailBytes
}

/** What a request appended, with the paths of the logs. */
function* entriesOf(
  { parts, opId }: Extract<Request, { kind: 'append' }>,
  { seq, isNew, writers, after, covers }: Appended,
  atMs: number,
): Generator<readonly [string, EntryRecord]> {
  if (!isNew) return
  for (const [index, { path, data }] of parts.entries()) {
    const interval = covers[index]
    const writer = writers[index]
    if (interval && writer !== undefined) yield [path, { seq, ...interval, atMs, data, after, writer, opId }]
  }
}
