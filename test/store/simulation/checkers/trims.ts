/** What is trimmed is covered, at every moment (G10). */

import type { LogFacts } from '../logs/facts.ts'
import { lastEntries } from './acknowledged.ts'
import type { Checker } from './checker.ts'

/** A read that lacks something of what is known shows what stands for it. */
export const trimmedIsCovered: Checker<LogFacts> = {
  name: 'trimmed is covered',
  holds:
    'whoever reads a log from its beginning sees each entry that was known before, or one that stands for it and holds it',
  check(facts) {
    const found: string[] = []
    for (const { id, ask, answer, begun } of facts.of('read')) {
      if (!answer || ask.after !== undefined || ask.limit !== undefined) continue
      const has = new Set(answer.entries.map(({ ts }) => ts))
      for (const [ts, { entry, at }] of facts.shown.get(ask.log) ?? []) {
        if (has.has(ts) || at >= begun) continue
        const stands = answer.entries.filter(({ lo, hi }) => lo <= ts && ts <= hi)
        if (!stands.some(({ holds }) => holds?.includes(entry.name)))
          found.push(`read ${id} of ${ask.log} has neither ${entry.name} nor one that holds it`)
      }
    }
    return found
  },
}

/** At the end nothing is both there and held by another entry, and intervals lie as they were asked for. */
export const exactCovers: Checker<LogFacts> = {
  name: 'exact covers',
  holds: 'an entry stands for exactly the interval that its writer named, or for itself',
  check(facts) {
    const asked = new Map(facts.appends.map(({ part }) => [`${part.log} ${part.name}`, part]))
    return [...lastEntries(facts)].flatMap(([log, entries]) =>
      entries.flatMap(({ name, ts, lo, hi }) => {
        const part = asked.get(`${log} ${name}`)
        if (!part) return []
        const wanted = part.covers ?? { lo: ts, hi: ts }
        return lo === wanted.lo && hi === wanted.hi
          ? []
          : [`${name} of ${log} stands for ${lo} to ${hi}, not ${wanted.lo} to ${wanted.hi}`]
      }),
    )
  },
}
