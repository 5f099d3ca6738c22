/** What a plugin has not been told of a site. */

import { isGroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { VersionNumber } from '../core/names.ts'
import { justBefore } from '../store/logs/timestamp.ts'
import type { Ts } from '../store/store.ts'
import type { SiteChange, SiteVersions } from '../store/versions/versions.ts'
import type { CoalesceInput } from './coalesce.ts'
import type { Site } from './site-registry.ts'

/** The changes of the next event, and what they made live; `all` is what all that is outstanding made live. */
export type Undelivered = Pick<CoalesceInput, 'after' | 'upto' | 'changes' | 'whole'> & {
  readonly later: readonly (VersionNumber | undefined)[]
}

/**
 * What comes after a plugin's cursor, oldest first and at most `limits.outbox.changesPerEvent`; `later` is what the
 * changes beyond them made live. Undefined when the plugin knows all. Where changes are forgotten, it is the whole site.
 */
export async function undelivered({ versions, events }: Site, plugin: string): Promise<Undelivered | undefined> {
  const after = events.cursor(plugin)
  const forgotten = await changesAfter(versions, after)
  if ('cover' in forgotten) return wholeSite(versions, after, forgotten.cover)
  const changes = forgotten.changes.slice(0, limits.outbox.changesPerEvent)
  const upto = changes.at(-1)?.ts
  const later = forgotten.changes.slice(changes.length).map(({ version }) => version)
  return upto && { after, upto, changes, whole: undefined, later }
}

/** Whether a plugin knows all that happened to a site. */
export async function isTold({ versions, events }: Site, plugin: string): Promise<boolean> {
  const found = await changesAfter(versions, events.cursor(plugin))
  return !('cover' in found) && found.changes.length === 0
}

/** The moment after which changes of a site have to stay readable for some plugins; undefined when nothing has to. */
export function neededAfter({ versions, events }: Site, plugins: readonly string[]): Ts | undefined {
  const [first] = versions.versions
  const cursors = plugins.map((plugin) => events.cursor(plugin) ?? (first && justBefore(first.ts)))
  return cursors.filter((cursor) => cursor !== undefined).sort()[0]
}

/** The changes after a moment, or the entry that stands for some of them. */
async function changesAfter(
  versions: SiteVersions,
  after: Ts | undefined,
): Promise<{ readonly changes: readonly SiteChange[] } | { readonly cover: Ts }> {
  try {
    return { changes: await versions.changes(after) }
  } catch (error) {
    const cover = isGroveError(error, 'ERR_TRIMMED') ? error.details?.['cover'] : undefined
    if (typeof cover !== 'string') throw error
    return { cover: cover as Ts }
  }
}

async function wholeSite(versions: SiteVersions, after: Ts | undefined, cover: Ts): Promise<Undelivered> {
  // First the changes, then what is live: what comes between is told again, and nothing is left out.
  const changes = await versions.changes(cover)
  const { live } = versions
  const paths: string[] = []
  if (live) for await (const { path } of versions.files(live.version)) paths.push(path)
  return { after, upto: changes.at(-1)?.ts ?? cover, changes, whole: { version: live?.version, paths }, later: [] }
}
