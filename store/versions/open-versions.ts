/** Opening a site's versions: the parts put together, and what changes something in one line. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { type BlobHash, type SiteName, toSiteName, type VersionNumber } from '../../core/names.ts'
import { createTurnstile, type Turnstile } from '../../core/turnstile.ts'
import type { Blobs } from '../contents/blobs.ts'
import { isDamage } from '../contents/damages.ts'
import { SiteContents } from '../contents/site-contents.ts'
import type { Environment } from '../environment.ts'
import type { Objects } from '../objects/objects.ts'
import type { Keyring } from '../segments/keyring.ts'
import type { Handle, Store, Ts } from '../store.ts'
import { diffTrees } from '../trees/difference.ts'
import type { ReadNode, TreeDifference, TreeFile } from '../trees/tree-file.ts'
import { filesOf, findFile, leavesOf } from '../trees/walk.ts'
import { changeLive, changesOf, deleteSite, pinVersion, unpinVersion } from './acts.ts'
import type { Epoch } from './epoch.ts'
import { locate } from './locate.ts'
import { packSmall, prune } from './merge.ts'
import { checkPublish, publish } from './publish.ts'
import { alivePins, retained } from './retention.ts'
import { createRootWriter, type RootWriter } from './root-writer.ts'
import { openSiteLog, versionsPath } from './site-log.ts'
import type { SiteParts } from './site-parts.ts'
import type { SiteState } from './site-state.ts'
import type {
  Act,
  Keep,
  Merged,
  Pin,
  Published,
  PublishInput,
  SiteChange,
  SiteVersions,
  VersionRecord,
} from './versions.ts'

/** What the versions of a site are opened with. */
export interface SiteVersionsOptions {
  readonly store: Store
  /** The host's own right: reads the log, and writes what nobody else asked for. */
  readonly handle: Handle
  readonly env: Environment
  readonly blobs: Blobs
  readonly objects: Objects
  readonly keyring: Keyring | undefined
  readonly owner: string
  readonly name: SiteName
  /** In charge of the owner's objects; needed for a bucket, where checkpoints are written under it. */
  readonly epoch?: Epoch | undefined
  /** Told of what failed in the background and is tried again: a merge, a checkpoint. */
  readonly onFailure?: (error: unknown, what: string) => void
}

/**
 * Opens the versions of a site, and makes their log (`/sites/<owner>/<site>/versions`) when it is not there. Reads the
 * last checkpoint of the log and what follows it, and no object. Throws `ERR_SITE_NAME`, `ERR_DENIED`, `ERR_DATA_FORMAT`.
 */
export async function openSiteVersions(options: SiteVersionsOptions): Promise<SiteVersions> {
  return new OpenVersions(await openParts(options), options)
}

/** The parts of a site, with its log read. */
export async function openParts(options: SiteVersionsOptions): Promise<SiteParts> {
  const { store, handle, env, blobs, objects, keyring, owner, epoch } = options
  const name = toSiteName(options.name)
  const context = { owner, log: versionsPath(owner, name) }
  const contents = new SiteContents({ env, objects, blobs, keyring, owner, site: name, context })
  const follow = (state: SiteState) => contents.use(state.segments, state.bare)
  const log = await openSiteLog(store, handle, { owner, name }, follow)
  await log.refresh()
  return { env, objects, blobs, keyring, owner, name, epoch, log, contents }
}

class OpenVersions implements SiteVersions {
  readonly #parts: SiteParts
  readonly #turns: Turnstile
  readonly #roots: RootWriter
  readonly #onFailure: SiteVersionsOptions['onFailure']
  /** Merges of small segments, one after the other. */
  #background: Promise<void> = Promise.resolve()
  #isClosed = false
  /** When the segments of a large site were looked through last, by the clock that only goes on. */
  #thoroughAtMs: number | undefined

  constructor(parts: SiteParts, options: SiteVersionsOptions) {
    this.#parts = parts
    this.#turns = createTurnstile({ most: limits.store.waitingChanges, what: `changes of site "${parts.name}"` })
    this.#roots = createRootWriter(parts, options)
    this.#onFailure = options.onFailure
  }

  get owner(): string {
    return this.#parts.owner
  }

  get name(): SiteName {
    return this.#parts.name
  }

  get live(): VersionRecord | undefined {
    return this.#state.live
  }

  get versions(): readonly VersionRecord[] {
    return this.#state.versions
  }

  get pins(): readonly Pin[] {
    return alivePins(this.#state.pins, this.#parts.env.now())
  }

  get objects(): SiteVersions['objects'] {
    const { segments, bare } = this.#state
    const large = bare.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
    return {
      segments: segments.length + bare.length,
      bytes: segments.reduce((sum, { bytes }) => sum + bytes, large),
    }
  }

  async missing(files: readonly TreeFile[], isSent?: PublishInput['isSent']): Promise<BlobHash[]> {
    return [...(await locate(this.#parts, files, isSent)).missing]
  }

  async publish(input: PublishInput): Promise<Published> {
    checkPublish(input)
    const done = await this.#act(async () => {
      // A process that was killed before it could merge leaves that to the next one.
      if (this.#isCrowded) await packSmall(this.#parts)
      return publish(this.#parts, input)
    })
    this.#packLater()
    return done
  }

  activate(version: VersionNumber, act: Act): Promise<SiteChange> {
    return this.#act(() => changeLive(this.#parts, act, () => this.#versionOf(version)))
  }

  delete(act: Act): Promise<SiteChange> {
    return this.#act(() => deleteSite(this.#parts, act))
  }

  pin(pin: Pin, act: Act): Promise<void> {
    return this.#act(() => pinVersion(this.#parts, act, pin, (version) => this.#versionOf(version)))
  }

  unpin(name: string, act: Act): Promise<boolean> {
    return this.#act(() => unpinVersion(this.#parts, act, name))
  }

  prune(keep: Keep, act: Act & { readonly keepAfter?: Ts | undefined }): Promise<Merged> {
    return this.#act(() => prune(this.#parts, { keep, act, isThorough: this.#takeThorough() }))
  }

  compact(): Promise<boolean> {
    return this.#act(() => packSmall(this.#parts, { isAtRest: true }))
  }

  prunable(keep: Keep, nowMs: number): VersionNumber[] {
    return retained(this.#state, keep, nowMs).pruned.map(({ version }) => version)
  }

  async diff(from: VersionNumber | undefined, to: VersionNumber): Promise<TreeDifference> {
    const after = await this.#findVersion(to)
    const before = from === undefined ? undefined : this.#versionOf(from)
    return diffTrees(this.#node, before?.root, after.root, this.#parts.env.turn)
  }

  async *files(version: VersionNumber): AsyncGenerator<TreeFile> {
    const { root } = await this.#findVersion(version)
    yield* filesOf(this.#node, root, this.#parts.env.turn)
  }

  async *leaves(version: VersionNumber): ReturnType<typeof leavesOf> {
    const { root } = await this.#findVersion(version)
    yield* leavesOf(this.#node, root, this.#parts.env.turn)
  }

  async find(version: VersionNumber, path: string): Promise<TreeFile | undefined> {
    return findFile(this.#node, (await this.#findVersion(version)).root, path)
  }

  changes(after: Ts | undefined): Promise<SiteChange[]> {
    return changesOf(this.#parts.log, after)
  }

  ensure(hash: BlobHash): Promise<void> {
    return this.#upToDate(() => this.#parts.contents.ensure(hash))
  }

  async ensureAll(version: VersionNumber): Promise<void> {
    const { contents, env } = this.#parts
    const { root, bytes, files } = await this.#findVersion(version)
    await this.#upToDate(async () => {
      // Packed it is less; but old versions lie in between, and each file is in the tree and in an index.
      await contents.fetchUnknown(2 * bytes + 512 * files + limits.store.wholeFetchBytes)
      await contents.ensureAll(filesOf(contents.node, root, env.turn))
    })
  }

  refresh(): Promise<void> {
    return this.#turns.run(() => this.#parts.log.refresh())
  }

  checkpoint(): Promise<void> {
    return this.#roots.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    await this.#background
    await this.#roots.close()
    await this.#parts.log.close()
  }

  get #state(): SiteState {
    return this.#parts.log.state
  }

  get #isCrowded(): boolean {
    return this.#state.segments.length >= limits.store.segments
  }

  #versionOf(version: VersionNumber): VersionRecord {
    const record = this.#state.versions.find((candidate) => candidate.version === version)
    if (record) return record
    throw new GroveError('ERR_VERSION_UNKNOWN', `site "${this.name}" has no version ${version}`, {
      hint: `grove site versions ${this.name} shows all`,
    })
  }

  /** A version, also one that somebody else has made since. */
  async #findVersion(version: VersionNumber): Promise<VersionRecord> {
    if (version > this.#state.lastVersion) await this.refresh()
    return this.#versionOf(version)
  }

  /** A node of a tree, for whoever reads outside the line of changes. */
  readonly #node: ReadNode = (hash) => this.#upToDate(() => this.#parts.contents.node(hash))

  /**
   * Reads something of the site's objects. Another opening may have merged or pruned, and a day later the objects that
   * this one knows are gone: what cannot be read is looked for once more where the log says that it is now. Not for a
   * part of a change, which has looked into the log already.
   */
  async #upToDate<T>(read: () => Promise<T>): Promise<T> {
    const { head } = this.#state
    try {
      return await read()
    } catch (error) {
      if (!isDamage(error)) throw error
      await this.refresh()
      if (this.#state.head === head) throw error
      return await read()
    }
  }

  /** Does what changes something, in line with all others, and has the bucket's checkpoint follow. */
  #act<T>(work: () => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      const before = this.#state.head
      try {
        return await work()
      } finally {
        if (this.#state.head !== before) this.#roots.request()
      }
    })
  }

  /** Merges small segments when there are too many, after whoever asked has the answer. */
  #packLater(): void {
    if (!this.#isCrowded || this.#isClosed) return
    this.#background = this.#background
      .then(() => this.#act(() => packSmall(this.#parts)))
      .then(() => {})
      .catch((error: unknown) => this.#onFailure?.(error, `segments of site "${this.name}" cannot be merged`))
  }

  /** Whether a prune is to look through all segments: each one of a site that is not large, else one now and then. */
  #takeThorough(): boolean {
    const nowMs = this.#parts.env.monotonic()
    const isDue = this.#thoroughAtMs === undefined || nowMs - this.#thoroughAtMs >= limits.store.thoroughEveryMs
    if (isDue) this.#thoroughAtMs = nowMs
    return isDue || (this.live?.files ?? 0) <= limits.store.thoroughFiles
  }
}
