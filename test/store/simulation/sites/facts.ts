/** What a history of sites says, put in order once for all checkers. */

import { type Call, callsOf, outcomeOf } from '../calls.ts'
import type { History } from '../history.ts'
import type { FileChange, Files, SeenSite, SeenVersion, SiteAnswers, SiteAsk } from './asks.ts'

/** The history of a simulation of sites. */
export type SiteHistory = History<SiteAsk, never>

/** A call of one kind. */
export type SiteCall<Kind extends SiteAsk['call'] = SiteAsk['call']> = Omit<Call<SiteAsk, never>, 'ask' | 'answer'> & {
  readonly ask: Extract<SiteAsk, { call: Kind }>
  /** Undefined when it was refused or not answered. */
  readonly answer: SiteAnswers[Kind] | undefined
}

/** A list of a site's versions that somebody was shown, and between which places of the history. */
export interface Shown {
  readonly site: string
  readonly seen: SeenSite
  readonly begun: number
  readonly ended: number
}

/** A thing that a client wanted published, with all tries of it. */
export interface Wanted {
  readonly site: string
  readonly name: string
  readonly wanted: Extract<SiteAsk, { call: 'publish' }>['wanted']
  readonly tries: readonly SiteCall<'publish'>[]
  readonly outcome: 'done' | 'not done' | 'unknown'
  /** Of the tries that were acknowledged as new versions. */
  readonly versions: readonly number[]
}

/** The facts of a history. */
export interface SiteFacts {
  readonly history: SiteHistory
  readonly shown: readonly Shown[]
  /** Keyed by the name of the publish. */
  readonly wanted: ReadonlyMap<string, Wanted>
  /** Versions that somebody was shown. Keyed by `site@version`; those that were shown differently are in `changed`. */
  readonly versions: ReadonlyMap<string, SeenVersion & { readonly site: string }>
  readonly changed: readonly string[]
  of<Kind extends SiteAsk['call']>(kind: Kind): readonly SiteCall<Kind>[]
}

/** Gathers the facts. */
export function factsOf(history: SiteHistory): SiteFacts {
  const calls = callsOf(history)
  const of = <Kind extends SiteAsk['call']>(kind: Kind) =>
    calls.filter(({ ask }) => ask.call === kind) as unknown as readonly SiteCall<Kind>[]
  const shown = shownIn(of('list'))
  const versions = new Map<string, SeenVersion & { site: string }>()
  const changed: string[] = []
  for (const { site, seen } of shown)
    for (const record of seen.versions) {
      const key = `${site}@${record.version}`
      const before = versions.get(key)
      if (before && (before.name !== record.name || before.parent !== record.parent || before.ts !== record.ts))
        changed.push(`${key} was ${JSON.stringify(before)}, then ${JSON.stringify(record)}`)
      if (!before) versions.set(key, { ...record, site })
    }
  return { history, shown, wanted: wantedIn(of('publish')), versions, changed, of }
}

/** The files that a version has to have; undefined where the history does not tell. */
export function expectedFiles(facts: SiteFacts, site: string, version: number): Files | undefined {
  const record = facts.versions.get(`${site}@${version}`)
  const publish = record && facts.wanted.get(record.name)
  if (!record || !publish) return undefined
  if ('files' in publish.wanted) return publish.wanted.files
  const parent = record.parent === null ? {} : expectedFiles(facts, site, record.parent)
  return parent && applied(parent, publish.wanted.change)
}

/** Files after a change. */
export function applied(files: Files, change: FileChange): Files {
  const next: Record<string, string> = { ...files }
  for (const [path, content] of Object.entries(change))
    if (content === null) delete next[path]
    else next[path] = content
  return next
}

/** What turns some files into others. */
export function changeBetween(before: Files, after: Files): FileChange {
  const change: Record<string, string | null> = {}
  for (const [path, content] of Object.entries(after)) if (before[path] !== content) change[path] = content
  for (const path of Object.keys(before)) if (after[path] === undefined) change[path] = null
  return change
}

/** Whether two trees, or two changes, are equal. */
export function isSame(one: FileChange, other: FileChange): boolean {
  const paths = Object.keys(one)
  return paths.length === Object.keys(other).length && paths.every((path) => one[path] === other[path])
}

function shownIn(lists: readonly SiteCall<'list'>[]): Shown[] {
  return lists.flatMap(({ ask, answer, begun, ended }) =>
    answer && ended !== undefined ? [{ site: ask.site, seen: answer, begun, ended }] : [],
  )
}

function wantedIn(publishes: readonly SiteCall<'publish'>[]): Map<string, Wanted> {
  const wanted = new Map<string, Wanted>()
  for (const call of publishes) {
    const { name, site, wanted: what } = call.ask
    const tries = [...(wanted.get(name)?.tries ?? []), call]
    const outcomes = tries.map(outcomeOf)
    const outcome = (['done', 'unknown', 'not done'] as const).find((one) => outcomes.includes(one)) ?? 'unknown'
    const versions = tries.flatMap(({ answer }) => (answer && !answer.unchanged ? [answer.version] : []))
    wanted.set(name, { site, name, wanted: what, tries, outcome, versions: [...new Set(versions)] })
  }
  return wanted
}
