/** Timestamps: one for each operation, growing, and never below what anybody was shown. */

import type { LogFacts } from '../logs/facts.ts'
import type { Checker } from './checker.ts'

/** An entry stays what it was, and no two operations share a timestamp. */
export const uniqueTimestamps: Checker<LogFacts> = {
  name: 'unique timestamps',
  holds: 'no two operations have one timestamp, and an entry is the same for everybody who is shown it',
  check(facts) {
    const found = [...facts.changed]
    const names = new Map<string, string>()
    for (const { call, ts } of facts.appends) {
      if (ts === undefined) continue
      const name = call.ask.parts.map((part) => part.name).join(' ')
      const other = names.get(ts) ?? name
      if (other !== name) found.push(`${name} and ${other} were both acknowledged as ${ts}`)
      names.set(ts, name)
    }
    for (const { part, ts } of facts.appends) {
      const shown = ts === undefined ? undefined : facts.shown.get(part.log)?.get(ts)
      if (shown && shown.entry.name !== part.name)
        found.push(`${part.name} was acknowledged as ${ts}, where ${part.log} has ${shown.entry.name}`)
    }
    return found
  },
}

/** Nothing gets a place before something that anybody was shown when it was asked for (G1, and real time of G3). */
export const stablePrefix: Checker<LogFacts> = {
  name: 'stable prefix',
  holds: 'what is asked for later has a later timestamp than everything that was shown or acknowledged before',
  check(facts) {
    const frontier = frontierOf(facts)
    const firstAsked = new Map<string, number>()
    for (const { call, part } of facts.appends) {
      const key = `${part.log} ${part.name}`
      firstAsked.set(key, Math.min(firstAsked.get(key) ?? call.begun, call.begun))
    }
    const placed = facts.appends.flatMap(({ part, ts }) =>
      ts === undefined ? [] : [{ log: part.log, name: part.name, ts }],
    )
    for (const [log, entries] of facts.shown) for (const { entry } of entries.values()) placed.push({ log, ...entry })
    return placed.flatMap(({ log, name, ts }) => {
      const asked = firstAsked.get(`${log} ${name}`)
      const before = asked === undefined ? undefined : frontier(asked)
      return before !== undefined && ts <= before
        ? [`${name} of ${log} is at ${ts}, and ${before} was known before it was asked for`]
        : []
    })
  },
}

/** The newest timestamp that anybody knew before a place of the history. */
function frontierOf(facts: LogFacts): (at: number) => string | undefined {
  const known: { at: number; ts: string }[] = []
  for (const { call, ts } of facts.appends) if (ts !== undefined) known.push({ at: call.ended ?? 0, ts })
  for (const entries of facts.shown.values())
    for (const { at, entry } of entries.values()) known.push({ at, ts: entry.ts })
  for (const { told } of facts.of('watch'))
    for (const { at, told: event } of told) if (event.kind === 'progress') known.push({ at, ts: event.ts })
  for (const { answer, ended } of facts.of('head')) if (answer?.ts) known.push({ at: ended ?? 0, ts: answer.ts })
  for (const { answer, ended } of facts.of('revoke')) if (answer) known.push({ at: ended ?? 0, ts: answer.ts })
  known.sort((one, other) => one.at - other.at)
  let newest = ''
  const steps = known.map(({ at, ts }) => {
    newest = ts > newest ? ts : newest
    return { at, newest }
  })
  return (at) => {
    let [low, high] = [0, steps.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((steps[middle]?.at ?? 0) < at) low = middle + 1
      else high = middle
    }
    return steps[low - 1]?.newest
  }
}
