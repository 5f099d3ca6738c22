/**
 * What is known of the open logs on this side of the engine, so that many watchers of one log cost the engine nothing.
 * All of it is of one moment: that of the batch that was done last.
 */

import { type Budget, createFeed, type Feed, type KeptFeed } from './feed.ts'
import type { EntryRecord } from './records.ts'
import type { Appended, Batch, BatchAnswer, RequestOf } from './request.ts'

/** The feeds of one store. */
export interface Feeds {
  /** The newest moment of the store. */
  readonly lastSeq: number
  /** Counts how often somebody may have lost a right. */
  readonly rights: number
  /** The feed of a log, made when nobody has the log open. */
  enter(path: string): Feed
  /** Takes in what a batch did, and wakes those who watch. */
  done(batch: Batch, answer: BatchAnswer): void
  wakeAll(): void
  /** The engine is gone: whoever watches has to ask, and will be told. */
  lost(): void
}

/** The feeds of a store that has come to a moment. */
export function createFeeds(lastSeq: number): Feeds {
  /** Keyed by path. */
  const feeds = new Map<string, KeptFeed>()
  const budget: Budget = { usedBytes: 0 }
  let rights = 0

  function left(feed: KeptFeed): void {
    feed.users -= 1
    if (feed.users > 0) return
    feed.forget(feed.head)
    feeds.delete(feed.path)
  }

  function wakeAll(): void {
    for (const feed of feeds.values()) feed.wake()
  }

  return {
    get lastSeq() {
      return lastSeq
    },
    get rights() {
      return rights
    },
    enter(path) {
      const feed = feeds.get(path) ?? createFeed(path, budget, left)
      feeds.set(path, feed)
      feed.users += 1
      return feed
    },
    done(batch, answer) {
      const { grew, trimmed, rights: isLess } = answer.changes
      lastSeq = answer.lastSeq
      if (isLess) rights += 1
      if (grew.length > 0) for (const [path, entry] of appendedBy(batch, answer)) feeds.get(path)?.keep(entry)
      // Entries that the store wrote itself were not among the requests.
      for (const [path, head] of grew) feeds.get(path)?.grown(head)
      for (const [path, seq] of trimmed) feeds.get(path)?.forget(seq)
      if (isLess) wakeAll()
      else for (const [path] of grew) feeds.get(path)?.wake()
    },
    wakeAll,
    lost() {
      rights += 1
      wakeAll()
    },
  }
}

/** What the requests of a batch appended, each with the path of its log. */
function* appendedBy({ requests, nowMs }: Batch, { answers }: BatchAnswer): Generator<readonly [string, EntryRecord]> {
  for (const [index, request] of requests.entries()) {
    const answer = answers[index]
    if (request.kind === 'append' && answer && 'value' in answer)
      yield* entriesOf(request, answer.value as Appended, nowMs)
  }
}

function* entriesOf(
  { parts, opId }: RequestOf<'append'>,
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
