/** Many changes of a site as the one event that plugins get. Pure. */

import { createHash } from 'node:crypto'
import type { VersionNumber } from '../core/names.ts'
import type { PublishEvent, SiteInfo } from '../core/plugin.ts'
import type { Ts } from '../store/store.ts'
import type { SiteChange } from '../store/versions/versions.ts'

/** What an event is made from. */
export interface CoalesceInput {
  readonly plugin: string
  readonly site: SiteInfo
  /** The plugin's cursor: the last change that it has confirmed. */
  readonly after: Ts | undefined
  /** The last change that the event is about. */
  readonly upto: Ts
  /** Oldest first. */
  readonly changes: readonly SiteChange[]
  /** What is served now, when some changes are forgotten: then the event is of all of it. */
  readonly whole: WholeSite | undefined
}

/** A site as it is, whatever it was. */
export interface WholeSite {
  readonly version: VersionNumber | undefined
  readonly paths: readonly string[]
}

/**
 * One event for all changes. Each path that any of them touched is in exactly one list, by what it was before the first
 * and is after the last: `added` (was not there, is), `changed` (was and is), `removed` (is not there; also what came
 * and went in between, because a cache may have seen it). Of a whole site every path is `changed`. The id follows from
 * the plugin, the site and the range of changes, so it is the same at every retry of that range.
 */
export function coalesce({ plugin, site, after, upto, changes, whole }: CoalesceInput): PublishEvent {
  const wasThere = new Map<string, boolean>()
  const isThere = new Map<string, boolean>()
  for (const change of changes) {
    for (const path of change.added) touch(path, false, true)
    for (const path of change.changed) touch(path, true, true)
    for (const path of change.removed) touch(path, true, false)
  }
  const id = createHash('sha256').update(JSON.stringify([plugin, site.name, after ?? null, upto]))
  const common = { id: id.digest('hex').slice(0, 32), site, versions: versionsOf(changes) }
  if (whole) {
    const isServed = new Set(whole.paths)
    const removed = paths((path) => !isServed.has(path))
    const versions = [...new Set([...common.versions, ...(whole.version === undefined ? [] : [whole.version])])]
    return {
      ...common,
      versions,
      version: whole.version,
      complete: false,
      added: [],
      changed: [...isServed].sort(),
      removed,
    }
  }
  return {
    ...common,
    version: changes.at(-1)?.version,
    complete: true,
    added: paths((path) => !wasThere.get(path) && isThere.get(path) === true),
    changed: paths((path) => wasThere.get(path) === true && isThere.get(path) === true),
    removed: paths((path) => !isThere.get(path)),
  }

  function touch(path: string, before: boolean, now: boolean): void {
    if (!wasThere.has(path)) wasThere.set(path, before)
    isThere.set(path, now)
  }

  function paths(belongs: (path: string) => boolean): string[] {
    return [...isThere.keys()].filter(belongs).sort()
  }
}

/** Every version that some changes made live, each once, in the order in which they first were. */
export function versionsOf(changes: readonly SiteChange[]): VersionNumber[] {
  return [...new Set(changes.flatMap(({ version }) => version ?? []))]
}
