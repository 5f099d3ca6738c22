/** What is done to grants is told in `/grants` (the audit of who may do what). */

import { grantsLogPath } from '../../../../store/grants/grant-changes.ts'
import type { LogFacts } from '../logs/facts.ts'
import { lastEntries } from './acknowledged.ts'
import type { Checker } from './checker.ts'

/** Each grant and each revocation is told once. */
export const changesAreTold: Checker<LogFacts> = {
  name: 'changes are told',
  holds: 'each acknowledged grant and revocation is in the log `/grants` once, a revocation at its own timestamp',
  check(facts) {
    const entries = lastEntries(facts).get(grantsLogPath)
    if (!entries) return []
    const expectOnce = (name: string, ts?: string) => {
      const told = entries.filter((entry) => entry.name === name)
      if (told.length === 1 && (ts === undefined || told[0]?.ts === ts)) return []
      return [
        `${name} is told at ${told.map((entry) => entry.ts).join(' and ') || 'no time'}, not once at ${ts ?? 'any'}`,
      ]
    }
    return [
      ...[...facts.grants.keys()].flatMap((label) => expectOnce(`grant ${label}`)),
      ...facts.of('revoke').flatMap(({ ask, answer }) => (answer ? expectOnce(`revoke ${ask.target}`, answer.ts) : [])),
    ]
  },
}
