/** A change that was made from an older version, on the live one: as long as nobody else touched the same paths. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { type SiteName, type VersionNumber, versionLabel } from '../../core/names.ts'
import { overlapOf } from '../trees/check.ts'
import type { TreeChange, TreeDifference } from '../trees/tree-file.ts'

/** Who wants what, for the error. */
export interface RebaseContext {
  readonly site: SiteName
  readonly base: VersionNumber
  readonly live: VersionNumber | undefined
}

/**
 * Checks that a change, made since `base`, can be put on the live version, which differs from `base` by `theirs`. What
 * both have done in the same way is no conflict. Throws `ERR_PUBLISH_CONFLICT`.
 */
export function requireDisjoint(theirs: TreeDifference, change: TreeChange, context: RebaseContext): void {
  const paths = overlapOf(...withoutAgreed(theirs, change))
  if (paths.length === 0) return
  const { site, base, live } = context
  const listed = paths.slice(0, limits.store.conflictPathsListed)
  const shown = listed.slice(0, 5).map((path) => JSON.stringify(path))
  const more = paths.length > shown.length ? ` and ${paths.length - shown.length} more` : ''
  const now = live === undefined ? 'no version is live any more' : `${versionLabel(site, live)} is live now`
  throw new GroveError(
    'ERR_PUBLISH_CONFLICT',
    `somebody else has changed ${shown.join(', ')}${more} since ${versionLabel(site, base)}; ${now}`,
    {
      details: { paths: listed, count: paths.length, base, live },
      hint: 'look at what is live now, and publish again from it',
    },
  )
}

/** Both without the paths on which they agree: the same content, or gone on both sides. */
function withoutAgreed(theirs: TreeDifference, change: TreeChange): [TreeDifference, TreeChange] {
  const puts = new Map(change.put.map(({ path, hash }) => [path, hash]))
  const dels = new Set(change.del)
  const agreed = new Set<string>()
  for (const { path, hash } of [...theirs.added, ...theirs.changed]) if (puts.get(path) === hash) agreed.add(path)
  for (const { path } of theirs.removed) if (dels.has(path) && !puts.has(path)) agreed.add(path)
  const isOpen = ({ path }: { readonly path: string }) => !agreed.has(path)
  return [
    {
      added: theirs.added.filter(isOpen),
      changed: theirs.changed.filter(isOpen),
      removed: theirs.removed.filter(isOpen),
    },
    { put: change.put.filter(isOpen), del: change.del.filter((path) => !agreed.has(path)) },
  ]
}
