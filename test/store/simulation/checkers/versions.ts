/** Versions: each publish makes one, whole, with exactly what was wanted. */

import { changeBetween, expectedFiles, isSame, type SiteCall, type SiteFacts } from '../sites/facts.ts'
import type { Checker } from './checker.ts'

/** A publish makes one version, and the versions of a site grow. */
export const publishedOnce: Checker<SiteFacts> = {
  name: 'published once',
  holds: 'a publish makes one version, a refused one none, and a later one makes a higher one',
  check(facts) {
    const found = [...facts.changed]
    for (const { site, name, outcome, versions } of facts.wanted.values()) {
      const shown = [...facts.versions.values()].filter((record) => record.site === site && record.name === name)
      const all = new Set([...versions, ...shown.map(({ version }) => version)])
      if (all.size > 1) found.push(`${name} of ${site} made the versions ${[...all].join(' and ')}`)
      if (outcome === 'not done' && all.size > 0) found.push(`${name} of ${site} was refused and is ${[...all].join()}`)
      for (const version of versions) {
        const record = facts.versions.get(`${site}@${version}`)
        if (record && record.name !== name)
          found.push(`${site}@${version} was acknowledged as ${name} and is ${record.name}`)
      }
    }
    return [...found, ...outOfOrder(facts)]
  },
}

function outOfOrder(facts: SiteFacts): string[] {
  const made = facts.of('publish').filter(({ answer }) => answer && !answer.unchanged)
  return made.flatMap((later) =>
    made
      .filter(
        ({ ask, ended }) =>
          ask.site === later.ask.site && ask.name !== later.ask.name && (ended ?? later.begun) < later.begun,
      )
      // A repeat answers the version that its first try made.
      .filter(() => !made.some(({ ask, begun }) => ask.name === later.ask.name && begun < later.begun))
      .filter(({ answer }) => (answer?.version ?? 0) >= (later.answer?.version ?? 0) && !isUnknownBefore(facts, later))
      .map(
        ({ ask, answer }) =>
          `${later.ask.name} made version ${later.answer?.version} after ${ask.name} made ${answer?.version}`,
      ),
  )
}

function isUnknownBefore(facts: SiteFacts, call: SiteCall<'publish'>): boolean {
  return facts.of('publish').some(({ ask, begun }) => ask.name === call.ask.name && begun < call.begun)
}

/** A version has exactly the files that were wanted, with the bytes that were sent. */
export const wholeVersions: Checker<SiteFacts> = {
  name: 'whole versions',
  holds:
    'a version has the files that were wanted on top of its parent, with the right bytes, and can be read as long as it is kept',
  check: (facts) => [
    ...[...facts.of('read'), ...facts.of('tree')].flatMap((call) => {
      const { site, version } = call.ask
      const what = `${call.ask.call} ${call.id} of ${site}@${version}`
      if (call.refusal)
        return mayBeRefused(facts, call) ? [] : [`${what} fails: ${call.refusal.code} ${call.refusal.message}`]
      const expected = expectedFiles(facts, site, version)
      if (!call.answer || !expected || isSame(call.answer.files, expected)) return []
      return [`${what} differs from what was wanted: ${JSON.stringify(changeBetween(expected, call.answer.files))}`]
    }),
  ],
}

const troubles: ReadonlySet<string> = new Set([
  'ERR_OBJECTS',
  'ERR_DATA_IO',
  'ERR_CLOSED',
  'ERR_BLOB_CORRUPT',
  'ERR_TIMEOUT',
])

/** Whether a read may fail so: while things fail, or when its version was pruned meanwhile. */
export function mayBeRefused(facts: SiteFacts, call: SiteCall<'read' | 'tree' | 'diff'>): boolean {
  const { begun, ended = begun, ask, refusal } = call
  const healed = facts.history.find(({ kind }) => kind === 'healed')?.at ?? Number.POSITIVE_INFINITY
  if (begun < healed && troubles.has(refusal?.code ?? '')) return true
  if (refusal?.code !== 'ERR_VERSION_UNKNOWN' && refusal?.code !== 'ERR_BLOB_MISSING') return false
  const versions = ask.call === 'diff' ? [ask.from, ask.to] : [ask.version]
  return versions.some((version) => mayBePruned(facts, ask.site, version, ended))
}

/** Whether a version may be gone at a place of the history. */
export function mayBePruned(facts: SiteFacts, site: string, version: number, at: number): boolean {
  return facts.of('prune').some((prune) => {
    if (prune.ask.site !== site || prune.begun >= at) return false
    return prune.answer ? prune.answer.pruned.includes(version) : prune.refusal?.code !== 'ERR_DENIED'
  })
}

/** What differs between two versions is what is told. */
export const rightDifferences: Checker<SiteFacts> = {
  name: 'right differences',
  holds: 'the difference of two versions is that of their files',
  check: (facts) =>
    facts.of('diff').flatMap((call) => {
      const { site, from, to } = call.ask
      const what = `difference ${call.id} of ${site}@${from} and ${to}`
      if (call.refusal)
        return mayBeRefused(facts, call) ? [] : [`${what} fails: ${call.refusal.code} ${call.refusal.message}`]
      const [before, after] = [expectedFiles(facts, site, from), expectedFiles(facts, site, to)]
      if (!call.answer || !before || !after || isSame(call.answer.change, changeBetween(before, after))) return []
      return [`${what} is told as ${JSON.stringify(call.answer.change)}`]
    }),
}

/** A change that was put on top of another one touches other paths. */
export const disjointRebases: Checker<SiteFacts> = {
  name: 'disjoint rebases',
  holds:
    'a change that was made from an older version is put on the live one only where nobody else changed the same paths otherwise',
  check: (facts) =>
    [...facts.versions.values()].flatMap(({ site, version, name, parent }) => {
      const publish = facts.wanted.get(name)?.wanted
      if (!publish || 'files' in publish || publish.base === (parent ?? 0)) return []
      const base = publish.base === 0 ? {} : expectedFiles(facts, site, publish.base)
      const live = parent === null ? {} : expectedFiles(facts, site, parent)
      if (!base || !live) return []
      const theirs = changeBetween(base, live)
      return Object.entries(publish.change)
        .filter(([path, content]) => theirs[path] !== undefined && theirs[path] !== content)
        .map(([path]) => `${site}@${version} overwrites ${path}, which was changed since version ${publish.base}`)
    }),
}
