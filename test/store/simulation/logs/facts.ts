/** What a history of logs and grants says, put in order once for all checkers. */

import { type Call, callsOf, outcomeOf } from '../calls.ts'
import type { History } from '../history.ts'
import type { AskedGrant, AskedPart, LogAnswers, LogAsk, LogTold, SeenEntry } from './asks.ts'

/** The history of a simulation of logs. */
export type LogHistory = History<LogAsk, LogTold>

/** A call of one kind. */
export type LogCall<Kind extends LogAsk['call'] = LogAsk['call']> = Omit<Call<LogAsk, LogTold>, 'ask' | 'answer'> & {
  readonly ask: Extract<LogAsk, { call: Kind }>
  /** Undefined when it was refused or not answered. */
  readonly answer: LogAnswers[Kind] | undefined
}

/** A part of an append, with the call that it was part of. */
export interface Append {
  readonly call: LogCall<'append'>
  readonly part: AskedPart
  /** Undefined unless it was acknowledged. */
  readonly ts: string | undefined
  readonly outcome: 'done' | 'not done' | 'unknown'
}

/** An entry that somebody was shown, and when it was shown first. */
export interface Known {
  readonly log: string
  readonly entry: SeenEntry
  readonly at: number
}

/** A grant that was made. */
export interface KnownGrant {
  readonly label: string
  readonly id: string
  readonly parent: string
  readonly asked: AskedGrant
}

/** The facts of a history. */
export interface LogFacts {
  readonly history: LogHistory
  /** The appends, in the order in which they were asked for. */
  readonly appends: readonly Append[]
  /** Entries that were shown, keyed by log, then by timestamp. Those that were shown differently are in `changed`. */
  readonly shown: ReadonlyMap<string, ReadonlyMap<string, Known>>
  readonly changed: readonly string[]
  /** All that a log ever held, as far as anybody knows, in order: entries that were shown or acknowledged. */
  readonly order: ReadonlyMap<string, readonly string[]>
  /** Keyed by label. The root is not in it. */
  readonly grants: ReadonlyMap<string, KnownGrant>
  of<Kind extends LogAsk['call']>(kind: Kind): readonly LogCall<Kind>[]
}

/** Gathers the facts. */
export function factsOf(history: LogHistory): LogFacts {
  const calls = callsOf(history)
  const of = <Kind extends LogAsk['call']>(kind: Kind) =>
    calls.filter(({ ask }) => ask.call === kind) as unknown as readonly LogCall<Kind>[]
  const { shown, changed } = shownIn(of('read'), of('watch'))
  const appends = of('append').flatMap((call): Append[] =>
    call.ask.parts.map((part) => ({ call, part, ts: call.answer?.ts, outcome: outcomeOf(call) })),
  )
  const order = new Map<string, string[]>()
  const logs = new Set([...shown.keys(), ...appends.map(({ part }) => part.log)])
  for (const log of logs) {
    const acknowledged = appends.filter(({ part }) => part.log === log).map(({ ts }) => ts)
    const all = new Set([...(shown.get(log)?.keys() ?? []), ...acknowledged.filter((ts) => ts !== undefined)])
    order.set(log, [...all].sort())
  }
  return { history, appends, shown, changed, order, grants: grantsIn(of('grant')), of }
}

/** The chain of a grant, itself first, without the root. */
export function chainOf(facts: LogFacts, label: string): KnownGrant[] {
  const chain: KnownGrant[] = []
  for (let grant = facts.grants.get(label); grant; grant = facts.grants.get(grant.parent)) chain.push(grant)
  return chain
}

/** The chain of the grant with an id. */
export function chainOfId(facts: LogFacts, id: string): KnownGrant[] {
  for (const grant of facts.grants.values()) if (grant.id === id) return chainOf(facts, grant.label)
  return []
}

/** The entries of a log that stood for a moment: they cover it, and are not its own. */
export function coversOf(facts: LogFacts, log: string, ts: string): SeenEntry[] {
  const entries = [...(facts.shown.get(log)?.values() ?? [])].map(({ entry }) => entry)
  return entries.filter(({ lo, hi, ts: own }) => lo <= ts && ts <= hi && own !== ts)
}

function grantsIn(calls: readonly LogCall<'grant'>[]): Map<string, KnownGrant> {
  const grants = new Map<string, KnownGrant>()
  for (const { ask, answer } of calls)
    if (answer) grants.set(ask.label, { label: ask.label, id: answer.id, parent: ask.by, asked: ask.options })
  return grants
}

function shownIn(reads: readonly LogCall<'read'>[], watches: readonly LogCall<'watch'>[]) {
  const shown = new Map<string, Map<string, Known>>()
  const changed: string[] = []
  const show = (log: string, entry: SeenEntry, at: number) => {
    const entries = shown.get(log) ?? new Map<string, Known>()
    shown.set(log, entries)
    const before = entries.get(entry.ts)
    if (before && JSON.stringify(before.entry) !== JSON.stringify(entry))
      changed.push(`entry ${entry.ts} of ${log} was ${before.entry.name}, then ${entry.name}`)
    if (!before || before.at > at) entries.set(entry.ts, { log, entry: before?.entry ?? entry, at })
  }
  for (const { ask, answer, ended } of reads)
    for (const entry of answer?.entries ?? []) show(ask.log, entry, ended ?? 0)
  for (const { ask, told } of watches)
    for (const { at, told: event } of told) if (event.kind === 'entry') show(ask.log, event.entry, at)
  return { shown, changed }
}
