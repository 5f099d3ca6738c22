/** What readers are shown: all of it, in order, without holes. */

import type { LogCall, LogFacts } from '../logs/facts.ts'
import type { Checker } from './checker.ts'

/** Whether an entry may be missing at a place of the history because a trim of it was under way or done. */
export function mayBeTrimmed(facts: LogFacts, log: string, ts: string, at: number): boolean {
  const inParts = facts.appends.some(
    ({ call, part, outcome }) =>
      part.log === log &&
      part.trim &&
      outcome !== 'not done' &&
      call.begun < at &&
      part.trim.from <= ts &&
      ts < part.trim.to,
  )
  return (
    inParts || facts.of('trim').some(({ ask, begun }) => ask.log === log && begun < at && ask.from <= ts && ts < ask.to)
  )
}

/** A read answers a prefix of what comes after its cursor, with all that was known before it began (G1, G3). */
export const wholeReads: Checker<LogFacts> = {
  name: 'whole reads',
  holds: 'a read has all entries in order from its cursor on, and everything that was acknowledged or shown before it',
  check: (facts) => facts.of('read').flatMap((call) => (call.answer ? faultsOf(facts, call) : [])),
}

function faultsOf(facts: LogFacts, call: LogCall<'read'>): string[] {
  const { log, after = '', limit = Number.POSITIVE_INFINITY } = call.ask
  const entries = call.answer?.entries ?? []
  const found: string[] = []
  const what = `read ${call.id} of ${log}`
  for (const [index, { ts }] of entries.entries()) {
    const before = entries[index - 1]?.ts ?? after
    if (ts <= before) found.push(`${what} shows ${ts} after ${before}`)
  }
  if (entries.length > limit) found.push(`${what} shows ${entries.length} entries, not ${limit}`)
  const last = entries.at(-1)?.ts ?? ''
  const has = new Set(entries.map(({ ts }) => ts))
  const isFull = entries.length >= limit
  for (const ts of facts.order.get(log) ?? []) {
    if (ts <= after || has.has(ts)) continue
    const isExpected = ts < last || (!isFull && isKnownBefore(facts, log, ts, call.begun))
    if (isExpected && !mayBeTrimmed(facts, log, ts, call.ended ?? 0)) found.push(`${what} lacks ${ts}`)
  }
  return found
}

function isKnownBefore(facts: LogFacts, log: string, ts: string, at: number): boolean {
  const shown = facts.shown.get(log)?.get(ts)
  if (shown && shown.at < at) return true
  return facts.appends.some(({ call, part, ts: own }) => part.log === log && own === ts && (call.ended ?? at) < at)
}
