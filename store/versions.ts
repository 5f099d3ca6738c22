/**
 * A site's versions: one serialized log, whose entries are the commit points, and blobs that lie there before.
 *
 * A publish makes its blobs and its tree durable and then writes one entry with `expect`; so a version is there whole
 * or not at all, and of two publishers one comes first and the other one after it. A publish brings a whole tree, so
 * the second needs no merging: it reads what the first did and tries again.
 */

import { createHash } from 'node:crypto'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type BlobHash, type SiteName, toSiteName, type VersionNumber } from '../core/names.ts'
import { createTurnstile } from '../core/turnstile.ts'
import type { Blobs } from './blobs.ts'
import { missingBlobs } from './missing-blobs.ts'
import { type Committed, openSiteLog, type SiteLog } from './site-log.ts'
import type { Handle, Store, Ts } from './store.ts'
import { checkTree, encodeTree, type TreeFile } from './tree.ts'
import {
  changeOf,
  type SiteChange,
  toSiteChange,
  toVersionRecord,
  type VersionEntry,
  type VersionRecord,
} from './version-entry.ts'

export type { SiteChange, VersionRecord } from './version-entry.ts'

/** A publish: a whole tree. */
export interface PublishInput {
  readonly files: readonly TreeFile[]
  /** What the publisher says about it, at most `limits.tree.messageChars`. */
  readonly message: string
  /** The publisher's own id of this publish, 8 to 64 characters; the same at a retry. */
  readonly opId: string
  readonly atMs: number
}

/** What a publish did. `unchanged`: the tree is the live one already; then nothing was written. */
export interface Published {
  readonly record: VersionRecord
  readonly unchanged: boolean
  readonly change: SiteChange | undefined
}

/** The versions of one site. `live` and `versions` are as of the last call through this object. */
export interface SiteVersions extends AsyncDisposable {
  readonly name: SiteName
  /** The version that the site serves. */
  readonly live: VersionRecord | undefined
  /** Oldest first. */
  readonly versions: readonly VersionRecord[]
  /**
   * Makes a version of a whole tree and makes it live. A repeat with the same `opId` answers what the first did.
   * Throws `ERR_PUBLISH_REFUSED`, `ERR_BLOB_MISSING` (details: `missing`), `ERR_DENIED`, `ERR_TOO_LARGE`; then nothing
   * was changed.
   */
  publish(input: PublishInput): Promise<Published>
  /**
   * Makes a version live that was made before. A repeat with the same `opId` answers what the first did. Throws
   * `ERR_VERSION_UNKNOWN`, `ERR_BLOB_MISSING`.
   */
  activate(version: VersionNumber, input: { readonly opId: string; readonly atMs: number }): Promise<SiteChange>
  /** Ends all versions. Numbers go on from here when the site is published again. */
  delete(input: { readonly atMs: number }): Promise<SiteChange>
  /** The files of a version, sorted by path. Throws `ERR_VERSION_UNKNOWN`. */
  tree(version: VersionNumber): Promise<TreeFile[]>
  /** What changed after a moment, oldest first. */
  changes(after: Ts | undefined): Promise<SiteChange[]>
  /** The trees of all versions that can be asked for: what a sweep of blobs has to keep, with the files in them. */
  roots(): BlobHash[]
}

/** Opens the versions of a site, and makes their log (`/sites/<owner>/<site>/versions`) when it is not there. */
export async function openSiteVersions(
  store: Store,
  handle: Handle,
  blobs: Blobs,
  site: { readonly owner: string; readonly name: SiteName },
): Promise<SiteVersions> {
  const name = toSiteName(site.name)
  const log = await openSiteLog(store, handle, blobs, `/sites/${site.owner}/${name}/versions`)
  const { run: inTurn } = createTurnstile({ most: limits.store.waitingChanges, what: `changes of site "${name}"` })
  await log.refresh()
  return {
    name,
    get live() {
      return log.state.live
    },
    get versions() {
      return log.state.versions
    },
    async publish(input) {
      checkTree(input.files)
      if (input.message.length > limits.tree.messageChars)
        throw new GroveError('ERR_PUBLISH_REFUSED', `message of more than ${limits.tree.messageChars} characters`)
      return inTurn(() => publish(log, blobs, input))
    },
    activate: (version, input) => inTurn(() => activate(log, blobs, version, input)),
    delete: ({ atMs }) =>
      inTurn(async () => {
        const done = await log.change(undefined, async () => {
          return { format: 1, kind: 'delete', atMs, ...changeOf(await log.treeOf(log.state.live), []) }
        })
        const { entry, ts } = ofKind(done, 'delete', undefined)
        return toSiteChange(entry, ts)
      }),
    async tree(version) {
      if (version > log.state.lastVersion) await inTurn(log.refresh)
      return log.treeOf(log.versionOf(version))
    },
    changes: log.changes,
    roots: () => [...new Set(log.state.versions.map(({ root }) => root))],
    [Symbol.asyncDispose]: log.close,
  }
}

async function publish(log: SiteLog, blobs: Blobs, input: PublishInput): Promise<Published> {
  const { files, message, opId, atMs } = input
  const tree = encodeTree(files)
  const root = createHash('sha256').update(tree).digest('hex')
  const done = await log.change(opId, async () => {
    const { live, lastVersion } = log.state
    if (live?.root === root) return undefined
    await requireBlobs(blobs, files)
    await blobs.putBytes(tree)
    // From here on, all that the entry refers to survives a power failure.
    await blobs.sync()
    return {
      format: 1,
      kind: 'publish',
      version: lastVersion + 1,
      parent: live?.version,
      root,
      message,
      atMs,
      files: files.length,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      ...changeOf(await log.treeOf(live), files),
    }
  })
  if (!done && log.state.live) return { record: log.state.live, unchanged: true, change: undefined }
  const { entry, ts } = ofKind(done, 'publish', opId)
  return { record: toVersionRecord(entry, ts), unchanged: false, change: toSiteChange(entry, ts) }
}

async function activate(
  log: SiteLog,
  blobs: Blobs,
  version: VersionNumber,
  { opId, atMs }: { readonly opId: string; readonly atMs: number },
): Promise<SiteChange> {
  const done = await log.change(opId, async () => {
    const files = await log.treeOf(log.versionOf(version))
    await requireBlobs(blobs, files)
    return { format: 1, kind: 'live', version, atMs, ...changeOf(await log.treeOf(log.state.live), files) }
  })
  const { entry, ts } = ofKind(done, 'live', opId)
  return toSiteChange(entry, ts)
}

/** What was committed, as the kind that this operation writes. Throws when its id belongs to one of another kind. */
function ofKind<Kind extends VersionEntry['kind']>(
  done: Committed | undefined,
  kind: Kind,
  opId: string | undefined,
): Committed<Extract<VersionEntry, { kind: Kind }>> {
  if (done?.entry.kind === kind) return done as Committed<Extract<VersionEntry, { kind: Kind }>>
  throw new GroveError('ERR_BAD_REQUEST', `operation id ${opId} was used for another operation`)
}

/** Checks that every content is there with the length that the list gives it. Throws `ERR_BLOB_MISSING`. */
async function requireBlobs(blobs: Blobs, files: readonly TreeFile[]): Promise<void> {
  const missing = await missingBlobs(blobs, files)
  if (missing.length > 0)
    throw new GroveError('ERR_BLOB_MISSING', `${missing.length} contents were not sent`, { details: { missing } })
}
