/** Many changes of a site as the one event that plugins get. Pure. */

import { createHash } from 'node:crypto'
import type { VersionNumber } from '../core/names.ts'
import type { PublishEvent, SiteInfo } from '../core/plugin.ts'
import type { Ts } from '../store/store.ts'
import type { SiteChange } from '../store/versions.ts'

/** What an event is made from. */
export interface CoalesceInput {
  readonly plugin: string
  readonly site: SiteInfo
  /** The plugin's cursor: the last change that it has confirmed. */
  readonly after: Ts | undefined
  /** Oldest first, at least one. */
  readonly changes: readonly SiteChange[]
}

/**
 * One event for all changes. Each path that any of them touched is in exactly one list, by what it was before the first
 * and is after the last: `added` (was not there, is), `changed` (was and is), `removed` (is not there; also what came
 * and went in between, because a cache may have seen it). The id follows from the plugin, the site and the range of
 * changes, so it is the same at every retry of that range.
 */
export function coalesce({ plugin, site, after, changes }: CoalesceInput): PublishEvent {
  const wasThere = new Map<string, boolean>()
  const isThere = new Map<string, boolean>()
  for (const change of changes) {
    for (const path of change.added) touch(path, false, true)
    for (const path of change.changed) touch(path, true, true)
    for (const path of change.removed) touch(path, true, false)
  }
  const last = changes.at(-1)
  const id = createHash('sha256').update(JSON.stringify([plugin, site.name, after ?? null, last?.ts ?? null]))
  return {
    id: id.digest('hex').slice(0, 32),
    site,
    version: last?.version,
    versions: versionsOf(changes),
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
