/** One store at a time, errors of ours alone, and bounded memory. */

import type { History } from '../history.ts'
import type { LogFacts } from '../logs/facts.ts'
import type { Checker } from './checker.ts'

/** Of any kind of simulation. */
interface AnyFacts {
  readonly history: History<unknown, unknown>
}

/** A store that another one has taken over from acknowledges no more changes (G11). */
export const fencedAcknowledgesNothing: Checker<LogFacts> = {
  name: 'fenced acknowledges nothing',
  holds: 'once another store was opened, the one before acknowledges no change that is asked for later',
  check(facts) {
    const opened = facts
      .of('open store')
      .flatMap(({ store, answer, ended }) => (answer ? [{ store, at: ended ?? 0 }] : []))
    const changes = [...facts.of('append'), ...facts.of('grant'), ...facts.of('revoke'), ...facts.of('charge')]
    return changes.flatMap((call) => {
      if (call.answer === undefined) return []
      const newer = opened.find(({ store, at }) => store > call.store && at < call.begun)
      return newer
        ? [`call ${call.id} was acknowledged by store ${call.store} after store ${newer.store} was opened`]
        : []
    })
  },
}

/** The store that is opened is the one that was there. */
export const sameStore: Checker<LogFacts> = {
  name: 'same store',
  holds: 'a store that is opened again has its id',
  check(facts) {
    const ids = new Set(facts.of('open store').flatMap(({ answer }) => (answer ? [answer.storeId] : [])))
    return ids.size > 1 ? [`the store had the ids ${[...ids].join(' and ')}`] : []
  },
}

/** Whatever fails does so with an error of ours. */
export const knownErrors: Checker<AnyFacts> = {
  name: 'known errors',
  holds: 'a call fails with an error of the table, never by accident',
  check: ({ history }) =>
    history.flatMap((event) =>
      event.kind === 'refusal' && event.code === 'ERR_INTERNAL' ? [`call ${event.id}: ${event.message}`] : [],
    ),
}

/** What was measured is within its bound (G12). */
export const boundedMemory: Checker<AnyFacts> = {
  name: 'bounded memory',
  holds: 'a watcher that is slow makes nobody hold more for it than a page and a tail',
  check: ({ history }) =>
    history.flatMap((event) =>
      event.kind === 'measured' && event.value > event.most
        ? [`${event.what}: ${event.value}, at most ${event.most}`]
        : [],
    ),
}
