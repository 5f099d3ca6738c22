/** Compare-and-append, and operations that are done once. */

import type { LogFacts } from '../logs/facts.ts'
import type { Checker } from './checker.ts'

/** An append that named a head has it as its predecessor (G3). */
export const truePredecessor: Checker<LogFacts> = {
  name: 'true predecessor',
  holds: 'an entry that was to follow a head follows it directly',
  check(facts) {
    return facts.appends.flatMap(({ part, ts }) => {
      if (part.expect === undefined || ts === undefined) return []
      const order = facts.order.get(part.log) ?? []
      const before = order[order.indexOf(ts) - 1] ?? null
      return before === part.expect
        ? []
        : [
            `${part.name} of ${part.log} at ${ts} was to follow ${part.expect ?? 'nothing'} and follows ${before ?? 'nothing'}`,
          ]
    })
  },
}

/** A repeat of an operation is the operation (G4). */
export const operationsOnce: Checker<LogFacts> = {
  name: 'operations once',
  holds: 'an operation has one timestamp, whoever asks and however often',
  check(facts) {
    const found: string[] = []
    const known = new Map<string, { ts: string; ended: number }>()
    for (const { call, part, ts } of facts.appends) {
      if (call.ask.opId === undefined || ts === undefined) continue
      const key = `${part.log} ${call.ask.opId}`
      const first = known.get(key)
      if (first && first.ts !== ts) found.push(`operation ${key} was answered ${first.ts}, then ${ts}`)
      if (!first) known.set(key, { ts, ended: call.ended ?? 0 })
    }
    for (const { ask, answer, begun } of facts.of('lookup')) {
      const first = known.get(`${ask.log} ${ask.opId}`)
      if (!answer || !first) continue
      const isKnown = first.ended < begun
      if (answer.ts === null ? isKnown : answer.ts !== first.ts)
        found.push(`operation ${ask.opId} of ${ask.log} was answered ${first.ts}, and looked up as ${answer.ts}`)
    }
    return found
  },
}

/** An entry comes after what its writer named (G5). */
export const afterIsBefore: Checker<LogFacts> = {
  name: 'causes first',
  holds: 'an entry is later than each moment that it was to come after',
  check: (facts) =>
    facts.appends.flatMap(({ call, part, ts }) =>
      (call.ask.after ?? [])
        .filter((cause) => ts !== undefined && cause >= ts)
        .map((cause) => `${part.name} at ${ts} was to come after ${cause}`),
    ),
}

/** All entries of one transaction have its timestamp, or none is there. */
export const wholeTransactions: Checker<LogFacts> = {
  name: 'whole transactions',
  holds: 'of a transaction all entries are there, at one timestamp, or none',
  check(facts) {
    return facts.of('append').flatMap(({ ask }) => {
      if (ask.parts.length < 2) return []
      const seen = ask.parts.map(({ log, name }) => {
        const entries = [...(facts.shown.get(log)?.values() ?? [])]
        return entries.find(({ entry }) => entry.name === name)?.entry.ts
      })
      return new Set(seen).size === 1
        ? []
        : [`${ask.parts.map(({ name }) => name).join(' and ')} are at ${seen.join(' and ')}`]
    })
  },
}
