/** What is done with versions that are there: made live, pinned, taken away; and what was done. */

import { GroveError } from '../../core/errors.ts'
import type { VersionNumber } from '../../core/names.ts'
import type { Ts } from '../store.ts'
import { differenceFromLive, removedFromLive } from './difference.ts'
import { type Committed, changeOf, decodeEntry, toSiteChange, type VersionEntry } from './entry.ts'
import { checkPin, checkPinName } from './retention.ts'
import type { Changed, SiteLog } from './site-log.ts'
import type { SiteParts } from './site-parts.ts'
import type { Act, Pin, SiteChange, VersionRecord } from './versions.ts'

/** Makes a version live; see {@link SiteVersions.activate}. */
export async function changeLive(parts: SiteParts, act: Act, versionOf: () => VersionRecord): Promise<SiteChange> {
  const { log, contents, env } = parts
  const done = await log.change(act, async () => {
    const { version, root } = versionOf()
    const change = changeOf(await differenceFromLive(contents.node, log.state.live?.root, root, env.turn))
    return {
      entry: { format: 2, kind: 'live', version, atMs: act.atMs, ...change },
      audit: { act: 'live', version },
    }
  })
  return siteChangeOf(done, 'live', act)
}

/** Takes all versions away; see {@link SiteVersions.delete}. */
export async function deleteSite(parts: SiteParts, act: Act): Promise<SiteChange> {
  const { log, contents, env } = parts
  const done = await log.change(act, async () => {
    const difference = await removedFromLive(contents.node, log.state.live?.root, env.turn)
    return {
      entry: { format: 2, kind: 'delete', atMs: act.atMs, ...changeOf(difference) },
      audit: { act: 'delete', removed: difference.removed.length },
    }
  })
  return siteChangeOf(done, 'delete', act)
}

/** Sets a pin; see {@link SiteVersions.pin}. */
export async function pinVersion(
  { log }: SiteParts,
  act: Act,
  { name, version, untilMs }: Pin,
  versionOf: (version: VersionNumber) => VersionRecord,
): Promise<void> {
  const done = await log.change(act, async () => {
    checkPin(log.state.pins, { name, version, untilMs }, act.atMs)
    versionOf(version)
    return {
      entry: { format: 2, kind: 'pin', name, version, untilMs, atMs: act.atMs },
      audit: { act: name.startsWith('tag:') ? 'tag' : 'pin', version, name },
    }
  })
  requireKind(done, 'pin', act)
}

/** Takes a pin away; see {@link SiteVersions.unpin}. */
export async function unpinVersion({ log }: SiteParts, act: Act, name: string): Promise<boolean> {
  checkPinName(name)
  const done = await log.change(act, async () => {
    if (!log.state.pins.some((pin) => pin.name === name)) return undefined
    return { entry: { format: 2, kind: 'unpin', name, atMs: act.atMs }, audit: { act: 'unpin', name } }
  })
  if (!done) return false
  requireKind(done, 'unpin', act)
  return true
}

/** What changed after a moment, oldest first. Throws `ERR_TRIMMED` when some of it is forgotten. */
export async function changesOf(
  { log, path }: Pick<SiteLog, 'log' | 'path'>,
  after: Ts | undefined,
): Promise<SiteChange[]> {
  const changes: SiteChange[] = []
  for await (const entry of log.read(after === undefined ? {} : { after })) {
    const change = toSiteChange(decodeEntry(entry))
    if (change) changes.push(change)
  }
  if (after !== undefined) return changes
  // Such a read begins with what is kept. Looked at after it: what was trimmed meanwhile may be lacking, too.
  const { trimmed, oldest } = await log.stat()
  if (!trimmed) return changes
  throw new GroveError('ERR_TRIMMED', `${path} does not tell of its beginning any more`, {
    details: { oldest, cover: trimmed.cover },
  })
}

function siteChangeOf(done: Done, kind: VersionEntry['kind'], act: Act): SiteChange {
  const change = toSiteChange(requireKind(done, kind, act))
  if (change) return change
  throw new GroveError('ERR_INTERNAL', `an entry of kind ${kind} changes nothing`)
}

type Done = Changed | { readonly trimmedAt: Ts } | undefined

/** What was committed, which has to be of a kind: else the operation's id belongs to another one. */
function requireKind(done: Done, kind: VersionEntry['kind'], { opId }: Act): Committed {
  if (done && 'trimmedAt' in done)
    throw new GroveError('ERR_TRIMMED', `operation ${opId} was done, so long ago that what it did is forgotten`)
  if (done?.committed.entry.kind === kind) return done.committed
  throw new GroveError('ERR_BAD_REQUEST', `operation id ${opId} was used for another operation`)
}
