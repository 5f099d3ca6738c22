/** What is kept: versions that something keeps, the live one, contents that were sent. */

import { outcomeOf } from '../calls.ts'
import { contentNamed } from '../sites/contents.ts'
import type { SiteCall, SiteFacts } from '../sites/facts.ts'
import { graceMs } from '../sites/small-limits.ts'
import type { Checker } from './checker.ts'
import { mayBePruned } from './versions.ts'

/** What is acknowledged stays until a prune takes it. */
export const versionsStay: Checker<SiteFacts> = {
  name: 'versions stay',
  holds: 'an acknowledged version is in every later list, unless a prune took it',
  check: (facts) =>
    facts.shown.flatMap(({ site, seen, begun, ended }) => {
      const has = new Set(seen.versions.map(({ version }) => version))
      const made = facts
        .of('publish')
        .filter(({ ask, answer, ended: at }) => ask.site === site && answer && (at ?? begun) < begun)
      const lost = made.map(({ answer }) => answer?.version ?? 0).filter((version) => !has.has(version))
      return lost
        .filter((version) => !mayBePruned(facts, site, version, ended))
        .map((version) => `${site}@${version} was acknowledged and is not in a later list`)
    }),
}

/** A prune keeps the live version, the newest and the pinned. */
export const prunesKeep: Checker<SiteFacts> = {
  name: 'prunes keep',
  holds: 'a prune takes neither the live version, nor one of the newest, nor one that is pinned',
  check: (facts) =>
    facts.of('prune').flatMap((prune) => {
      const pruned = prune.answer?.pruned ?? []
      const { site, keep } = prune.ask
      return pruned.flatMap((version) => {
        const what = `prune ${prune.id} took ${site}@${version}`
        const newer = versionsUpTo(facts, prune).filter((other) => other > version).length
        if (newer < keep.versions) return [`${what}, one of the ${keep.versions} newest`]
        if (isPinned(facts, prune, version)) return [`${what}, which is pinned`]
        return liveAt(facts, prune) === version ? [`${what}, which is live`] : []
      })
    }),
}

/** Every version that may have been there when a prune ended. */
function versionsUpTo(facts: SiteFacts, { ask, ended, begun }: SiteCall<'prune'>): number[] {
  const all = new Set<number>()
  for (const publish of facts.of('publish'))
    if (publish.ask.site === ask.site && publish.begun < (ended ?? begun) && publish.answer)
      all.add(publish.answer.version)
  for (const { site, version, name } of facts.versions.values())
    if (site === ask.site && facts.wanted.get(name)?.tries.some((call) => call.begun < (ended ?? begun)))
      all.add(version)
  return [...all]
}

/** Whether a pin on a version was acknowledged before a prune, and nothing was done about that pin since. */
function isPinned(facts: SiteFacts, { ask, begun, ended = begun }: SiteCall<'prune'>, version: number): boolean {
  const acts = [...facts.of('pin'), ...facts.of('unpin')].filter(
    (call) => call.ask.site === ask.site && call.begun < ended,
  )
  return facts.of('pin').some((pin) => {
    if (pin.ask.site !== ask.site || pin.ask.version !== version) return false
    if (outcomeOf(pin) !== 'done' || (pin.ended ?? begun) >= begun) return false
    return !acts.some((act) => act.id !== pin.id && act.ask.pin === pin.ask.pin && (act.ended ?? ended) > pin.begun)
  })
}

/** The version that was live before a call and after it; undefined when that was not clear. */
function liveAt(facts: SiteFacts, { ask, begun, ended = begun }: SiteCall<'prune'>): number | undefined {
  let last: { ts: string; version: number } | undefined
  for (const call of [...facts.of('publish'), ...facts.of('activate')]) {
    if (call.ask.site !== ask.site || call.begun > ended || outcomeOf(call) === 'not done') continue
    const change = changeOf(call)
    if (!call.answer || (call.ended ?? ended) >= begun) return undefined
    if (change && (!last || change.ts > last.ts)) last = change
  }
  return last?.version
}

/** What a call that changes the live version did, if it is known. */
function changeOf(call: SiteCall<'publish' | 'activate'>): { ts: string; version: number } | undefined {
  if (call.ask.call === 'activate') {
    const answer = (call as SiteCall<'activate'>).answer
    return answer && { ts: answer.ts, version: call.ask.version }
  }
  const answer = (call as SiteCall<'publish'>).answer
  return answer?.ts ? { ts: answer.ts, version: answer.version } : undefined
}

/** Visitors are told each change of what a site serves. */
export const changesTold: Checker<SiteFacts> = {
  name: 'changes told',
  holds: 'whoever follows a site is told every acknowledged change after its cursor, once and in order',
  check: (facts) =>
    facts.of('changes').flatMap(({ id, ask, answer, begun }) => {
      if (!answer) return []
      const found: string[] = []
      let last = ask.after ?? ''
      for (const { ts } of answer.changes) {
        if (ts <= last) found.push(`changes ${id} of ${ask.site} tell ${ts} after ${last}`)
        last = ts
      }
      const told = new Set(answer.changes.map(({ ts }) => ts))
      for (const call of [...facts.of('publish'), ...facts.of('activate')]) {
        const change = changeOf(call)
        if (call.ask.site !== ask.site || !change || (call.ended ?? begun) >= begun) continue
        if (change.ts > (ask.after ?? '') && !told.has(change.ts))
          found.push(`changes ${id} of ${ask.site} leave out ${change.ts}, which made version ${change.version} live`)
      }
      return found
    }),
}

/** What was sent is there for its publish. */
export const uploadsStay: Checker<SiteFacts> = {
  name: 'uploads stay',
  holds: 'a publish that follows its uploads within the time that they are kept, in one process, misses none of them',
  check(facts) {
    // A disk that fails may take a content away; then it is right to ask for it again.
    const isBad = facts.history.some((event) => event.kind === 'refusal' && event.code === 'ERR_DATA_IO')
    if (isBad) return []
    return facts.of('publish').flatMap((call) => {
      if (call.refusal?.code !== 'ERR_BLOB_MISSING') return []
      const missing = new Set(call.refusal.message.match(/[0-9a-f]{64}/g) ?? [])
      return facts
        .of('upload')
        .filter(({ ask }) => ask.way === 'here' && missing.has(contentNamed(ask.content).hash))
        .filter((upload) => isOwn(facts, upload, call) && isFresh(facts, upload, call))
        .map(({ ask }) => `publish ${call.id} misses ${ask.content}, which was sent just before`)
    })
  },
}

/**
 * Whether a content was sent for one publish alone: what another one has published may be evicted, and what an earlier
 * process was sent may be torn.
 */
function isOwn(facts: SiteFacts, upload: SiteCall<'upload'>, publish: SiteCall<'publish'>): boolean {
  const { content } = upload.ask
  if (upload.store !== publish.store || upload.client !== publish.client || upload.answer === undefined) return false
  if (facts.of('upload').some((other) => other.ask.content === content && other.store < upload.store)) return false
  return !facts.of('publish').some((other) => {
    const { wanted, name } = other.ask
    const names = Object.values('files' in wanted ? wanted.files : wanted.change)
    return name !== publish.ask.name && other.begun < (publish.ended ?? publish.begun) && names.includes(content)
  })
}

function isFresh(facts: SiteFacts, upload: SiteCall<'upload'>, publish: SiteCall<'publish'>): boolean {
  const [sent, used] = [facts.history[upload.ended ?? 0], facts.history[publish.ended ?? 0]]
  if (!sent || !used || (upload.ended ?? publish.begun) >= publish.begun) return false
  const hasStepped = facts.history.slice(upload.begun, publish.ended).some(({ kind }) => kind === 'clock')
  return !hasStepped && used.ms - sent.ms < graceMs / 2
}
