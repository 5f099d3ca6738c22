/**
 * Watching a log. A watcher holds a cursor and no more than a page: it takes the next when its consumer asks, so a slow
 * one costs no more memory than a fast one, and none can miss or see twice what another saw once.
 */

import { type GroveError, isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { Ts, WatchEvent } from '../store.ts'
import { entryOf, type LogInside, pageOf } from './log-inside.ts'
import type { EntryRecord } from './records.ts'
import { formatTs } from './timestamp.ts'

/** Entries after a moment, then new ones, until the signal aborts; see {@link Log.watch}. */
export async function* watchEntries(log: LogInside, afterSeq: number, signal: AbortSignal): AsyncGenerator<WatchEvent> {
  const { inside, feed } = log
  const { env, feeds, watchers, id } = inside
  const bell = createBell()
  const leave = watchers.enter()
  const unwatch = feed.watch(bell.ring)
  /** Gives its place free, also when its consumer has stopped asking. Fine when called twice. */
  const end = () => {
    signal.removeEventListener('abort', end)
    log.closed.removeEventListener('abort', end)
    unwatch()
    leave()
    bell.ring()
  }
  signal.addEventListener('abort', end)
  log.closed.addEventListener('abort', end)
  /** How far the handle's right to read is known to reach. */
  let verified = log.reader && { untilMs: log.reader.untilMs, rights: log.rights }
  const mayRead = () => verified !== undefined && verified.rights === feeds.rights && env.now() < verified.untilMs
  let cursor = afterSeq
  let progress = { seq: -1, at: Number.NEGATIVE_INFINITY }

  /** From the engine, which checks the right; undefined when something after the cursor is forgotten. */
  async function nextPage(): Promise<readonly EntryRecord[] | GroveError> {
    const { rights } = feeds
    try {
      const range = { afterSeq: cursor, uptoSeq: Number.MAX_SAFE_INTEGER, most: limits.store.pageEntries, whole: true }
      const { entries, reader } = await pageOf(log, range)
      verified = { untilMs: reader.untilMs, rights }
      return entries
    } catch (error) {
      if (isGroveError(error, 'ERR_TRIMMED')) return error
      throw error
    }
  }

  try {
    while (!signal.aborted) {
      log.requireOpen()
      if (!mayRead() || !feed.knows(cursor)) {
        const page = await nextPage()
        if (!Array.isArray(page)) {
          if (!signal.aborted) yield resetOf(page as GroveError)
          return
        }
        for (const entry of page as readonly EntryRecord[]) {
          if (signal.aborted) return
          // The rest of the page is asked for again, and so is the right to it.
          if (!mayRead()) break
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
      await bell.heard()
    }
  } finally {
    end()
  }
}

function resetOf({ details }: GroveError): WatchEvent {
  return { kind: 'reset', oldest: details?.['oldest'] as Ts | undefined, cover: details?.['cover'] as Ts }
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
