/** What was acknowledged is there once, what was refused is not, and what nobody knows is there once or not at all. */

import type { LogAnswers, SeenEntry } from '../logs/asks.ts'
import type { Append, LogFacts } from '../logs/facts.ts'
import type { Checker } from './checker.ts'

/** Who reads every log whole at the end of a simulation. */
export const lastReader = 'last reader'

/** The entries of a log at the end, keyed by log. */
export function lastEntries(facts: LogFacts): Map<string, LogAnswers['read']['entries']> {
  const last = new Map<string, LogAnswers['read']['entries']>()
  for (const { client, ask, answer } of facts.of('read'))
    if (client === lastReader && answer) last.set(ask.log, answer.entries)
  return last
}

/** Each acknowledged append can be read exactly once at the end (G2, G4, G10). */
export const acknowledgedOnce: Checker<LogFacts> = {
  name: 'acknowledged once',
  holds:
    'what was acknowledged can be read once, as its entry or in the one that stands for it; what was refused cannot',
  check(facts) {
    const last = lastEntries(facts)
    return [...byName(facts)].flatMap(([key, appends]) => {
      const { log, name } = appends[0]?.part ?? { log: '', name: key }
      const entries = last.get(log)
      if (!entries) return []
      const times = timesOf(name, entries)
      const done = appends.find(({ outcome }) => outcome === 'done')
      if (done && times !== 1) return [`${name} of ${log} was acknowledged as ${done.ts} and is there ${times} times`]
      if (times > 1) return [`${name} of ${log} is there ${times} times`]
      if (times > 0 && appends.every(({ outcome }) => outcome === 'not done'))
        return [`${name} of ${log} was refused and is there`]
      return done ? misplaced(done, entries) : []
    })
  },
}

/**
 * How often something is there: as its own entry, or held by others. One that holds it too soon, before it is trimmed,
 * does not count, nor does one that is held itself.
 */
function timesOf(name: string, entries: readonly SeenEntry[]): number {
  const own = entries.filter((entry) => entry.name === name).length
  if (own > 0) return own
  const holders = entries.filter(({ holds }) => holds?.includes(name))
  return holders.filter((holder) => !holders.some(({ holds }) => holds?.includes(holder.name))).length
}

function misplaced({ part, ts }: Append, entries: readonly SeenEntry[]): string[] {
  if (ts === undefined) return []
  const own = entries.find(({ name }) => name === part.name)
  if (own && own.ts !== ts) return [`${part.name} of ${part.log} was acknowledged as ${ts} and is at ${own.ts}`]
  const holder = entries.find(({ holds }) => holds?.includes(part.name))
  if (!own && holder && !(holder.lo <= ts && ts <= holder.hi))
    return [`${part.name} at ${ts} is held by ${holder.name}, which covers ${holder.lo} to ${holder.hi}`]
  return []
}

/** Tries of one thing belong together. Keyed by log and name. */
function byName(facts: LogFacts): Map<string, Append[]> {
  const groups = new Map<string, Append[]>()
  for (const append of facts.appends) {
    const key = `${append.part.log} ${append.part.name}`
    groups.set(key, [...(groups.get(key) ?? []), append])
  }
  return groups
}
