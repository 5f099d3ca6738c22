/**
 * Watching a log. A watcher holds a cursor and no more than a page: it takes the next when its consumer asks, so a slow
 * one costs no more memory than a fast one, and none can miss or see twice what another saw once.
 */

import { isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Ts, WatchEvent } from '../store.ts'
import { entryOf, type LogInside, pageOf } from './log-inside.ts'
import type { Answers } from './request.ts'
import { formatTs } from './timestamp.ts'

/** Entries after a moment, then new ones, until the signal aborts; see {@link Log.watch}. */
export async function* watchEntries(log: LogInside, afterSeq: number, signal: AbortSignal): AsyncGenerator<WatchEvent> {
  const { feed } = log
  const { env, feeds, watchers, id } = log.inside
  const place = enter(log, signal)
  const right = rightToRead(log)
  let cursor = afterSeq
  let progress = { seq: -1, at: Number.NEGATIVE_INFINITY }
  try {
    while (!signal.aborted) {
      log.requireOpen()
      if (!right.isKnown() || !feed.knows(cursor)) {
        const page = await right.pageAfter(cursor)
        if ('cover' in page) {
          if (!signal.aborted) yield { kind: 'reset', ...page }
          return
        }
        for (const entry of page.entries) {
          if (signal.aborted) return
          // The rest of the page is asked for again, and so is the right to it.
          if (!right.isKnown()) break
          yield { kind: 'entry', entry: entryOf(id, entry) }
          cursor = entry.seq
        }
        continue
      }
      const entry = feed.next(cursor)
      if (entry) {
        // The data is shared by all watchers; each gets its own.
        yield { kind: 'entry', entry: entryOf(id, { ...entry, data: new Uint8Array(entry.data) }) }
        cursor = entry.seq
        continue
      }
      // The feed and the store's newest moment are of one batch: nothing of the log lies between the cursor and it.
      const seq = feeds.lastSeq
      const at = env.monotonic()
      if (seq > progress.seq && at - progress.at >= limits.store.progressMs) {
        progress = { seq, at }
        yield { kind: 'progress', ts: formatTs(id, seq) }
        continue
      }
      if (seq > progress.seq) watchers.tick()
      await place.woken()
    }
  } finally {
    place.leave()
  }
}

/** The place of one watcher. */
interface Place {
  /** Resolves when it was woken since the last time. */
  woken(): Promise<void>
  /** Gives the place free. Fine when called twice. */
  leave(): void
}

/** Takes a place, which is given free when the signal aborts, also when the consumer has stopped asking. */
function enter({ inside, feed, closed }: LogInside, signal: AbortSignal): Place {
  const bell = createBell()
  const leaveWatchers = inside.watchers.enter()
  const leaveFeed = feed.watch(bell.ring)
  const leave = () => {
    signal.removeEventListener('abort', leave)
    closed.removeEventListener('abort', leave)
    leaveFeed()
    leaveWatchers()
    bell.ring()
  }
  signal.addEventListener('abort', leave)
  closed.addEventListener('abort', leave)
  return { woken: bell.heard, leave }
}

/** What stands for entries that are gone. */
interface Trimmed {
  readonly oldest: Ts | undefined
  readonly cover: Ts
}

/** How far a watcher's right to read is known to reach. */
interface RightToRead {
  /** Whether it holds now, as far as can be known without asking. */
  isKnown(): boolean
  /** Asks for entries, and so for the right; answers what stands for them when some are gone. */
  pageAfter(afterSeq: number): Promise<Answers['page'] | Trimmed>
}

function rightToRead(log: LogInside): RightToRead {
  const { env, feeds } = log.inside
  let verified = log.reader && { untilMs: log.reader.untilMs, rights: log.rights }
  return {
    isKnown: () => verified !== undefined && verified.rights === feeds.rights && env.now() < verified.untilMs,
    async pageAfter(afterSeq) {
      // Who loses a right while this is asked may be after it or before it: it counts as after.
      const { rights } = feeds
      try {
        const uptoSeq = Number.MAX_SAFE_INTEGER
        const page = await pageOf(log, { afterSeq, uptoSeq, most: limits.store.pageEntries, whole: true })
        verified = { untilMs: page.reader.untilMs, rights }
        return page
      } catch (error) {
        if (!isGroveError(error, 'ERR_TRIMMED')) throw error
        return { oldest: error.details?.['oldest'] as Ts | undefined, cover: error.details?.['cover'] as Ts }
      }
    },
  }
}

interface Bell {
  readonly ring: () => void
  /** Resolves when it has rung since the last time. */
  heard(): Promise<void>
}

function createBell(): Bell {
  let rung = false
  let answer: (() => void) | undefined
  return {
    ring() {
      rung = true
      answer?.()
    },
    async heard() {
      if (!rung) await new Promise<void>((resolve) => (answer = resolve))
      rung = false
      answer = undefined
    },
  }
}
