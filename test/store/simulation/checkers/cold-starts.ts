/** What an empty machine finds in the bucket, and what a whole look at the store finds. */

import { changeBetween, expectedFiles, isSame, type SiteCall, type SiteFacts } from '../sites/facts.ts'
import type { Checker } from './checker.ts'

/** What the bucket's roots name is there, whole, and not older than the last checkpoint. */
export const coldStartsWhole: Checker<SiteFacts> = {
  name: 'cold starts whole',
  holds:
    'a machine with an empty disk finds every version that the bucket tells of, whole, and none older than the last checkpoint',
  check: (facts) => facts.of('cold start').flatMap((cold) => faultsOf(facts, cold)),
}

function faultsOf(facts: SiteFacts, cold: SiteCall<'cold start'>): string[] {
  if (cold.refusal) return [`cold start ${cold.id} fails: ${cold.refusal.code} ${cold.refusal.message}`]
  const found: string[] = []
  for (const [site, { versions, trees }] of Object.entries(cold.answer?.sites ?? {})) {
    for (const { version, name } of versions) {
      const known = facts.versions.get(`${site}@${version}`)
      const expected = expectedFiles(facts, site, version)
      const files = trees[version]
      if (known && known.name !== name)
        found.push(`cold start ${cold.id} has ${name} as ${site}@${version}, not ${known.name}`)
      else if (expected && files && !isSame(expected, files))
        found.push(
          `cold start ${cold.id} has ${site}@${version} otherwise: ${JSON.stringify(changeBetween(expected, files))}`,
        )
    }
  }
  return [...found, ...stale(facts, cold)]
}

/** Sites that are older than what a checkpoint had acknowledged. */
function stale(facts: SiteFacts, cold: SiteCall<'cold start'>): string[] {
  return facts.of('checkpoint').flatMap(({ ask: { site }, answer, begun, ended = cold.begun }) => {
    if (answer === undefined || ended >= cold.begun) return []
    const made = facts.of('publish').filter((publish) => publish.ask.site === site && (publish.ended ?? begun) < begun)
    const newest = Math.max(0, ...made.map((publish) => publish.answer?.version ?? 0))
    const has = Math.max(0, ...(cold.answer?.sites[site]?.versions.map(({ version }) => version) ?? []))
    return has < newest ? [`cold start ${cold.id} has ${site}@${has}, and ${newest} was in a checkpoint`] : []
  })
}

/** At the end, an empty machine has exactly what the store has. */
export const coldEqualsWarm: Checker<SiteFacts> = {
  name: 'cold equals warm',
  holds: 'after the last checkpoint an empty machine has the versions, pins and live versions of the store',
  check(facts) {
    const cold = facts.of('cold start').at(-1)
    const healed = facts.history.find(({ kind }) => kind === 'healed')?.at
    if (!cold?.answer || healed === undefined || cold.begun < healed) return []
    const found: string[] = []
    for (const site of new Set(facts.shown.map((shown) => shown.site))) {
      const warm = facts.shown.findLast((shown) => shown.site === site)?.seen
      const other = cold.answer.sites[site]
      const plain = (seen: typeof warm) =>
        JSON.stringify([seen?.live, seen?.versions.map(({ version, name }) => [version, name]), seen?.pins])
      if (warm && warm.live !== null && plain(warm) !== plain(other))
        found.push(`${site} is ${plain(warm)}, and on an empty machine ${plain(other)}`)
    }
    return found
  },
}

/** A whole look at the store finds nothing wrong once everything has healed. */
export const verifiesClean: Checker<SiteFacts> = {
  name: 'verifies clean',
  holds: 'at the end every hash and every reference of the store is right',
  check: (facts) =>
    facts
      .of('verify')
      .flatMap(({ answer, refusal }) => [
        ...(answer?.faults ?? []),
        ...(refusal ? [`verify fails: ${refusal.code} ${refusal.message}`] : []),
      ]),
}
