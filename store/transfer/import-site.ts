/**
 * Importing a site from an export, which may be a stranger's. Nothing of the site is written before all of the export was
 * read and found right; what was read of contents lies among those that were sent and not published, and goes by itself
 * after a day. Then one entry makes all versions at once, and a second one makes the live one live.
 */

import { GroveError, isGroveError } from '../../core/errors.ts'
import type { SiteName, VersionNumber } from '../../core/names.ts'
import { localItem, nodeItem } from '../contents/pack.ts'
import type { EntryOf } from '../versions/entry.ts'
import { openParts, openSiteVersions, type SiteVersionsOptions } from '../versions/open-versions.ts'
import { versionsPath } from '../versions/site-log.ts'
import type { SiteParts } from '../versions/site-parts.ts'
import type { SiteState } from '../versions/site-state.ts'
import type { Act } from '../versions/versions.ts'
import type { TransferProgress } from './export-site.ts'
import { type TakenExport, takeExport } from './take-export.ts'

/** What an import is made with. `name` is the site's new name. */
export type ImportOptions = SiteVersionsOptions & {
  readonly act: Pick<Act, 'handle' | 'atMs'>
  readonly onProgress?: (progress: TransferProgress) => void
  /** Runs when all of the export was found right, before the site has a version. When it rejects, so does the import. */
  readonly begin?: () => Promise<void>
  /** Makes a version live. @default in an opening of its own */
  readonly activate?: (version: VersionNumber) => Promise<unknown>
}

/** What an import made. */
export interface Imported {
  /** The name that the site had. */
  readonly from: SiteName
  /** Oldest first. The numbers are those of the export; where the new name has had versions before, they go on from these. */
  readonly versions: readonly VersionNumber[]
  readonly live: VersionNumber | undefined
  readonly contents: number
}

/**
 * Makes a site of an export. Its name must be without versions: throws `ERR_SITE_EXISTS`. Throws what {@link takeExport}
 * throws, and then there is no trace of the site; `ERR_FENCED`, `ERR_DENIED`, `ERR_DATA_IO`, `ERR_OBJECTS`. When it ends
 * between its two entries, all versions are there and none is live.
 */
export async function importSite(options: ImportOptions, source: AsyncIterable<Uint8Array>): Promise<Imported> {
  const { env, blobs, onProgress } = options
  await requireVacantLog(options)
  const taken = await takeExport({ env, blobs, onProgress }, source)
  const release = blobs.hold(taken.contents.keys())
  try {
    const offset = await writeVersions(options, taken)
    const { about } = taken
    const live = about.live === null ? undefined : about.live + offset
    if (live !== undefined) await (options.activate ?? activateIn(options))(live)
    await blobs.settle(taken.contents.keys())
    const versions = taken.versions.map(({ version }) => version + offset)
    return { from: about.site, versions, live, contents: taken.contents.size }
  } finally {
    release()
  }
}

function activateIn(options: ImportOptions): (version: VersionNumber) => Promise<void> {
  return async (version) => {
    await using site = await openSiteVersions(options)
    await site.activate(version, options.act)
  }
}

/** Writes contents, trees and the entry; answers what version numbers of the export are raised by. */
async function writeVersions(options: ImportOptions, taken: TakenExport): Promise<number> {
  const parts = await openParts(options)
  const { log, contents } = parts
  try {
    requireVacant(parts.name, log.state)
    const offset = log.state.lastVersion
    const numbers = taken.versions.map(({ version }) => version + offset)
    const packed = await contents.pack({
      items: [
        ...taken.contents.values().map((file) => localItem(parts, file)),
        ...taken.nodes.entries().map(([hash, bytes]) => nodeItem(hash, bytes)),
      ],
      lo: numbers[0] ?? offset,
      hi: numbers.at(-1) ?? offset,
    })
    try {
      const entry = await entryOf(options, taken, { ...packed, offset })
      // Nobody would find what a store writes that is not in charge any more.
      await options.epoch?.check()
      await options.begin?.()
      await log.change(options.act.handle === undefined ? {} : { handle: options.act.handle }, async () => {
        requireVacant(parts.name, log.state)
        if (log.state.lastVersion !== offset)
          throw new GroveError('ERR_CONFLICT', `site "${parts.name}" was made and deleted while it was imported`)
        return { entry, audit: { act: 'import', version: numbers.at(-1) } }
      })
    } finally {
      packed.release()
    }
    return offset
  } finally {
    await log.close()
  }
}

/** The checkpoint that a site begins with; the live version comes with an entry of its own, which followers understand. */
async function entryOf(
  { store, handle, act }: ImportOptions,
  { about, versions }: TakenExport,
  { segments, bare, offset }: Pick<SiteState, 'segments' | 'bare'> & { readonly offset: number },
): Promise<EntryOf<'merge'>> {
  // A grant of another store means nothing here, and one of this store did not write these versions.
  const { id: writer } = await store.whoami(act.handle ?? handle)
  return {
    ...{ format: 2, kind: 'merge', atMs: act.atMs, live: undefined },
    lastVersion: about.lastVersion + offset,
    versions: versions.map(({ list: _, parent, version, ...record }) => ({
      ...record,
      version: version + offset,
      parent: parent === null ? undefined : parent + offset,
      writer,
    })),
    pins: about.pins.map(({ name, version }) => ({ name, version: version + offset })),
    segments: [...segments],
    bare: [...bare],
  }
}

async function requireVacantLog(options: ImportOptions): Promise<void> {
  const { store, handle, owner, name } = options
  try {
    await store.stat(handle, versionsPath(owner, name))
  } catch (error) {
    if (isGroveError(error, 'ERR_NOT_FOUND')) return
    throw error
  }
  const { log }: SiteParts = await openParts(options)
  try {
    requireVacant(name, log.state)
  } finally {
    await log.close()
  }
}

function requireVacant(name: SiteName, { versions }: SiteState): void {
  if (versions.length === 0) return
  throw new GroveError('ERR_SITE_EXISTS', `site "${name}" has versions already`, {
    hint: 'import it under another name, or delete the site first',
  })
}
