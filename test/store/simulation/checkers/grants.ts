/** Who may write what, and until when (G7, G8, G9, quotas). */

import { grantsLogPath } from '../../../../store/grants/grant-changes.ts'
import { leastWallMs } from '../calls.ts'
import type { AskedGrant } from '../logs/asks.ts'
import { type Append, chainOf, chainOfId, type KnownGrant, type LogFacts } from '../logs/facts.ts'
import type { Checker } from './checker.ts'

/** No write under a revoked grant has a later timestamp (G7). */
export const revokedWritesNothing: Checker<LogFacts> = {
  name: 'revoked writes nothing',
  holds: 'no entry under a revoked grant is later than the revocation',
  check(facts) {
    const revoked = new Map<string, string>()
    for (const { ask, answer } of facts.of('revoke')) if (answer) revoked.set(ask.target, answer.ts)
    return entriesOf(facts).flatMap(({ log, name, ts, chain }) =>
      chain
        .filter(({ label }) => (revoked.get(label) ?? '~') < ts)
        .map(({ label }) => `${name} of ${log} at ${ts} was written under ${label}, revoked at ${revoked.get(label)}`),
    )
  },
}

/** A child has nothing that its parent has not (G8). */
export const childrenExceedNothing: Checker<LogFacts> = {
  name: 'children exceed nothing',
  holds: 'a grant has no path, right or time that one above it has not, and nothing is written without them',
  check(facts) {
    const children = [...facts.grants.values()].flatMap((grant) => {
      const parent = facts.grants.get(grant.parent)
      return parent && exceeds(grant.asked, parent.asked) ? [`${grant.label} exceeds ${parent.label}`] : []
    })
    const writes = entriesOf(facts).flatMap(({ log, name, chain }) =>
      (log === grantsLogPath ? [] : chain)
        .filter(({ asked }) => !asked.write || !covers(asked.path, log))
        .map(({ label }) => `${name} of ${log} was written under ${label}, which does not allow it`),
    )
    const parents = facts.of('grant').flatMap(({ ask, answer }) => {
      const parent = facts.grants.get(ask.by)
      return answer && parent && !parent.asked.grant
        ? [`${ask.label} was made under ${ask.by}, which cannot grant`]
        : []
    })
    return [...children, ...writes, ...parents]
  },
}

/** Nothing is admitted after the end of a grant (G9). */
export const expiredWritesNothing: Checker<LogFacts> = {
  name: 'expired writes nothing',
  holds: 'no write is acknowledged that was asked for when a grant above it had ended',
  check: (facts) =>
    facts.appends.flatMap(({ call, part, outcome }) => {
      if (outcome !== 'done' || isRepeat(facts, { call, part })) return []
      const leastMs = leastWallMs(facts.history, call.begun, call.ended ?? call.begun)
      return chainOf(facts, call.ask.grant)
        .filter(({ asked }) => asked.untilMs <= leastMs)
        .map(({ label }) => `${part.name} was written under ${label}, which had ended`)
    }),
}

/** What is written under a grant and all below it stays within its quota (G8). */
export const quotasHold: Checker<LogFacts> = {
  name: 'quotas hold',
  holds: 'what is written under a grant and those below it is not more than its quota',
  check(facts) {
    const used = new Map<string, { grant: KnownGrant; writes: number; bytes: number }>()
    const use = (chain: readonly KnownGrant[], writes: number, bytes: number) => {
      for (const grant of chain) {
        const before = used.get(grant.label) ?? { writes: 0, bytes: 0 }
        used.set(grant.label, { grant, writes: before.writes + writes, bytes: before.bytes + bytes })
      }
    }
    // The store's own notes in `/grants` are nobody's use.
    for (const { log, bytes, chain } of entriesOf(facts)) if (log !== grantsLogPath) use(chain, 1, bytes)
    for (const { ask, answer } of facts.of('charge'))
      if (answer !== undefined) use(chainOf(facts, ask.grant), 1, ask.bytes)
    return [...used.values()].flatMap(({ grant: { label, asked }, writes, bytes }) => {
      const { maxWrites = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY } = asked
      return writes > maxWrites || bytes > maxBytes
        ? [`${writes} writes of ${bytes} bytes under ${label}, which has ${maxWrites} of ${maxBytes}`]
        : []
    })
  },
}

/** Entries that were shown, with the grants that they were written under. */
function entriesOf(facts: LogFacts) {
  return [...facts.shown].flatMap(([log, entries]) =>
    [...entries.values()].map(({ entry }) => ({ log, ...entry, chain: chainOfId(facts, entry.writer) })),
  )
}

function isRepeat(facts: LogFacts, { call, part }: Pick<Append, 'call' | 'part'>): boolean {
  return facts.appends.some((other) => other.part.name === part.name && other.call.begun < call.begun)
}

function exceeds(child: AskedGrant, parent: AskedGrant): boolean {
  const hasMore = (['read', 'write', 'grant'] as const).some((right) => child[right] && !parent[right])
  return hasMore || !covers(parent.path, child.path) || child.untilMs > parent.untilMs
}

function covers(prefix: string, path: string): boolean {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`)
}
