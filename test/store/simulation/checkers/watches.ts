/** What watchers are told: every entry once, in order, or that they have to begin anew (G6). */

import type { LogCall, LogFacts } from '../logs/facts.ts'
import type { Checker } from './checker.ts'
import { mayBeTrimmed } from './reads.ts'

/** Entries come in order, none twice, and none from before the cursor or a mark of progress. */
export const orderedWatches: Checker<LogFacts> = {
  name: 'ordered watches',
  holds: 'a watcher is told entries in order, none twice, and none before its cursor or a mark of progress',
  check: (facts) =>
    facts.of('watch').flatMap(({ id, ask, told }) => {
      const found: string[] = []
      let last = ask.after ?? ''
      let isReset = false
      for (const { told: event } of told) {
        if (isReset) found.push(`watch ${id} of ${ask.log} goes on after a reset`)
        if (event.kind === 'entry' && event.entry.ts <= last)
          found.push(`watch ${id} of ${ask.log} is told ${event.entry.ts} after ${last}`)
        if (event.kind === 'progress' && event.ts < last)
          found.push(`watch ${id} of ${ask.log} is told of progress to ${event.ts} after ${last}`)
        if (event.kind === 'reset') isReset = true
        else last = event.kind === 'entry' ? event.entry.ts : event.ts
      }
      return found
    }),
}

/** No entry between the cursor and what the watcher was told last is missing. */
export const completeWatches: Checker<LogFacts> = {
  name: 'complete watches',
  holds: 'a watcher is told every entry after its cursor, up to the last entry or mark of progress that it is told',
  check: (facts) =>
    facts.of('watch').flatMap(({ id, ask, told }) => {
      const delivered = new Set<string>()
      let upto = ''
      for (const { told: event } of told) {
        if (event.kind === 'entry') delivered.add(event.entry.ts)
        if (event.kind !== 'reset') upto = event.kind === 'entry' ? event.entry.ts : event.ts
      }
      return (facts.order.get(ask.log) ?? [])
        .filter((ts) => ts > (ask.after ?? '') && ts <= upto && !delivered.has(ts))
        .map((ts) => `watch ${id} of ${ask.log} passes over ${ts}`)
    }),
}

/** A reset comes only when something after the cursor is gone, and names what stands for it. */
export const honestResets: Checker<LogFacts> = {
  name: 'honest resets',
  holds: 'a watcher is reset only when what it would be told next is trimmed, and to an entry that stands for it',
  check: (facts) => facts.of('watch').flatMap((call) => resetFaults(facts, call)),
}

function resetFaults(facts: LogFacts, { id, ask, told }: LogCall<'watch'>): string[] {
  let position = ask.after ?? ''
  for (const { at, told: event } of told) {
    if (event.kind !== 'reset') {
      position = event.kind === 'entry' ? event.entry.ts : event.ts
      continue
    }
    const gone = (facts.order.get(ask.log) ?? []).filter((ts) => ts > position && mayBeTrimmed(facts, ask.log, ts, at))
    const cover = facts.shown.get(ask.log)?.get(event.cover)?.entry
    if (gone.length === 0) return [`watch ${id} of ${ask.log} is reset at ${position}, after which nothing was trimmed`]
    if (cover && !gone.some((ts) => cover.lo <= ts && ts <= cover.hi))
      return [`watch ${id} of ${ask.log} is reset to ${cover.name}, which stands for nothing that is gone`]
  }
  return []
}
