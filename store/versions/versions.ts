/**
 * A site's versions: what control, the command line and tests may ask of them.
 *
 * One serialized log for each site holds what was done; its entries are the commit points. Trees and contents lie in
 * segments, which are durable before the entry that names them. So a version is there whole or not at all.
 */

import type { BlobHash, SiteName, VersionNumber } from '../../core/names.ts'
import type { GrantId, Handle, Ts } from '../store.ts'
import type { TreeChange, TreeDifference, TreeFile } from '../trees/tree-file.ts'

/** One version, as its publish was recorded. */
export interface VersionRecord {
  readonly version: VersionNumber
  /** The root node of its tree. */
  readonly root: BlobHash
  /** The version that was live before it. */
  readonly parent: VersionNumber | undefined
  readonly message: string
  readonly atMs: number
  readonly ts: Ts
  /** The grant under which it was published. */
  readonly writer: GrantId
  readonly files: number
  readonly bytes: number
  readonly added: number
  readonly changed: number
  readonly removed: number
}

/** A change of what a site serves. */
export interface SiteChange {
  readonly ts: Ts
  readonly kind: 'publish' | 'live' | 'delete'
  /** The version that is live after it; undefined after a delete. */
  readonly version: VersionNumber | undefined
  readonly atMs: number
  /** Paths, sorted. */
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
}

/** What keeps a version from being pruned, beside being live or among the last ones. */
export interface Pin {
  /** `tag:<name>` for a tag; else what the caller names: `preview:<id>`, `session:<id>`, or a word of a person. */
  readonly name: string
  readonly version: VersionNumber
  /** Undefined: until it is taken away. */
  readonly untilMs: number | undefined
}

/** Who does something, and how a retry is known. */
export interface Act {
  /** Whose right it is done with; the host's own by default. */
  readonly handle?: Handle
  readonly atMs: number
  /** The caller's own id, 8 to 64 characters; the same at a retry. */
  readonly opId?: string
}

/** A tree that is about to become a version. */
export interface TreeToCome {
  /** A file of it. */
  find(path: string): Promise<TreeFile | undefined>
  /**
   * The content of a file of it. Throws `ERR_BLOB_MISSING` for one that the publisher has neither sent nor on the site:
   * whoever can have files made from a tree must not read in them what another site has.
   */
  read(file: TreeFile): Promise<Buffer>
}

/**
 * Makes further files from a tree: what it answers is put on top of it. The contents of `put` are on the local disk by
 * then. Called in the site's turn, once for each round of a publish; a throw ends the publish, and nothing was changed.
 */
export type Derive = (tree: TreeToCome) => Promise<TreeChange>

/**
 * A publish. With `files` the site is exactly these files afterwards, whatever it was. With `base` and `change`, what
 * changed since version `base` (0: since nothing) is changed on the live version: publishers whose changes touch
 * different paths both come through.
 */
export type PublishInput = Act & {
  readonly opId: string
  readonly message: string
  /**
   * Whether a content of the local disk was sent for this site; the others count as missing, unless the site has them. So
   * who may publish one site can neither find out nor take what another one has. @default all on the disk were
   */
  readonly isSent?: ((hash: BlobHash) => boolean) | undefined
  /** Makes further files from the tree that is to become the version. */
  readonly derive?: Derive | undefined
} & ({ readonly files: readonly TreeFile[] } | { readonly base: VersionNumber; readonly change: TreeChange })

/** What a publish did. */
export interface Published {
  readonly record: VersionRecord
  /** The tree is the live one already: nothing was written. */
  readonly unchanged: boolean
  /** Whether another publish came between and this one was put on top of it. */
  readonly rebased: boolean
  readonly change: SiteChange | undefined
}

/** Which versions a prune keeps beside the live one and the pinned: the newest so many, and those younger than that. */
export interface Keep {
  readonly versions: number
  readonly ms: number
}

/** What a merge did. */
export interface Merged {
  /** Versions that are gone. */
  readonly pruned: readonly VersionNumber[]
  readonly segmentsBefore: number
  readonly segmentsAfter: number
}

/** The versions of one site, open. Calls that change something wait for each other. */
export interface SiteVersions extends AsyncDisposable {
  readonly owner: string
  readonly name: SiteName
  readonly live: VersionRecord | undefined
  /** Oldest first. */
  readonly versions: readonly VersionRecord[]
  /** Sorted by name; those that have ended are not in it. */
  readonly pins: readonly Pin[]
  /** How many segments (and single large contents) hold the site. */
  readonly objects: { readonly segments: number; readonly bytes: number }

  /**
   * Those contents of some files that have to be sent: neither in a segment of the site nor on the local disk. `isSent`:
   * see {@link PublishInput}. Throws `ERR_PUBLISH_REFUSED` for a content that is there with another length.
   */
  missing(files: readonly TreeFile[], isSent?: PublishInput['isSent']): Promise<BlobHash[]>
  /**
   * Makes a version and makes it live. Throws `ERR_PUBLISH_REFUSED` (paths, limits), `ERR_BLOB_MISSING` (details:
   * `missing`), `ERR_VERSION_UNKNOWN` for a base that is gone, `ERR_PUBLISH_CONFLICT` (details: `paths`, `live`) when
   * another publish since `base` touched the same paths, `ERR_DENIED`.
   */
  publish(input: PublishInput): Promise<Published>
  /** Makes a version live. Throws `ERR_VERSION_UNKNOWN`. */
  activate(version: VersionNumber, act: Act): Promise<SiteChange>
  /** Takes all versions away; numbers go on when the site is made again. */
  delete(act: Act): Promise<SiteChange>
  /** Sets a pin or a tag, or moves it. Throws `ERR_VERSION_UNKNOWN`, `ERR_TOO_MANY`. */
  pin(pin: Pin, act: Act): Promise<void>
  /** Takes a pin away. Answers false when there was none. */
  unpin(name: string, act: Act): Promise<boolean>
  /** Forgets versions that nothing keeps. `keepAfter`: changes after this moment stay readable in {@link changes}. */
  prune(keep: Keep, act: Act & { readonly keepAfter?: Ts | undefined }): Promise<Merged>
  /**
   * Merges the small segments of a site that nobody publishes to just now, so that it comes to a cold machine with few
   * requests. Answers whether there was something to do.
   */
  compact(): Promise<boolean>
  /** What pruning would take, without doing it. */
  prunable(keep: Keep, nowMs: number): VersionNumber[]

  /** What differs between two versions; `undefined` stands for the empty tree. */
  diff(from: VersionNumber | undefined, to: VersionNumber): Promise<TreeDifference>
  /** All files of a version, sorted by key. */
  files(version: VersionNumber): AsyncIterable<TreeFile>
  /** The same in the pieces in which versions share them: equal pieces of two versions have equal hashes. */
  leaves(version: VersionNumber): AsyncIterable<{ readonly hash: BlobHash; readonly files: readonly TreeFile[] }>
  /** One file of a version. */
  find(version: VersionNumber, path: string): Promise<TreeFile | undefined>
  /** What changed after a moment, oldest first. Throws `ERR_TRIMMED` when some of it is forgotten. */
  changes(after: Ts | undefined): Promise<SiteChange[]>
  /** Sees to it that a content of the site lies on the local disk. Throws `ERR_BLOB_MISSING`, `ERR_OBJECTS`. */
  ensure(hash: BlobHash): Promise<void>
  /**
   * Sees to it that all contents of a version lie on the local disk, with few requests: a cold site that is not large is
   * whole after one for each of its objects. Throws like {@link SiteVersions.ensure}.
   */
  ensureAll(version: VersionNumber): Promise<void>
  /** Takes in what another opening of the site has written since. */
  refresh(): Promise<void>
  /** Writes the checkpoint that an empty machine starts from, if there is a bucket and it is not there yet. */
  checkpoint(): Promise<void>
}
