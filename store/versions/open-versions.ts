/** Opening a site's versions: the parts put together, and what changes something in one line. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { type SiteName, toSiteName, type VersionNumber } from '../../core/names.ts'
import { createTurnstile } from '../../core/turnstile.ts'
import type { Blobs } from '../contents/blobs.ts'
import { createSiteContents } from '../contents/site-contents.ts'
import type { Environment } from '../environment.ts'
import type { Objects } from '../objects/objects.ts'
import type { Keyring } from '../segments/keyring.ts'
import type { Handle, Store } from '../store.ts'
import { diffTrees } from '../trees/difference.ts'
import { filesOf, findFile, leavesOf } from '../trees/walk.ts'
import { changeLive, changesOf, deleteSite, pinVersion, unpinVersion } from './acts.ts'
import type { Epoch } from './epoch.ts'
import { locate } from './locate.ts'
import { packSmall, prune } from './merge.ts'
import { checkPublish, publish } from './publish.ts'
import { alivePins, retained } from './retention.ts'
import { createRootWriter } from './root-writer.ts'
import { openSiteLog, versionsPath } from './site-log.ts'
import type { SiteParts } from './site-parts.ts'
import type { SiteState } from './site-state.ts'
import type { SiteVersions, VersionRecord } from './versions.ts'

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
  const parts = await openParts(options)
  const { log, contents, env } = parts
  const name = parts.name
  const { run: inTurn } = createTurnstile({ most: limits.store.waitingChanges, what: `changes of site "${name}"` })
  const roots = createRootWriter(parts, options)
  let background: Promise<void> = Promise.resolve()
  let isClosed = false
  let thoroughAtMs: number | undefined

  const versionOf = (version: VersionNumber): VersionRecord => {
    const record = log.state.versions.find((candidate) => candidate.version === version)
    if (record) return record
    throw new GroveError('ERR_VERSION_UNKNOWN', `site "${name}" has no version ${version}`, {
      hint: `grove site versions ${name} shows all`,
    })
  }
  /** A version, also one that somebody else has made since. */
  const findVersion = async (version: VersionNumber): Promise<VersionRecord> => {
    if (version > log.state.lastVersion) await inTurn(log.refresh)
    return versionOf(version)
  }
  /** Does what changes something, in line with all others, and has the bucket's checkpoint follow. */
  const act = <T>(work: () => Promise<T>): Promise<T> =>
    inTurn(async () => {
      const before = log.state.head
      try {
        return await work()
      } finally {
        if (log.state.head !== before) roots.request()
      }
    })
  /** Merges small segments when there are too many, after whoever asked has the answer. */
  const packLater = () => {
    if (log.state.segments.length < limits.store.segments || isClosed) return
    background = background
      .then(() => act(() => packSmall(parts)))
      .then(() => {})
      .catch((error: unknown) => options.onFailure?.(error, `segments of site "${name}" cannot be merged`))
  }

  return {
    owner: parts.owner,
    name,
    get live() {
      return log.state.live
    },
    get versions() {
      return log.state.versions
    },
    get pins() {
      return alivePins(log.state.pins, env.now())
    },
    get objects() {
      const { segments, bare } = log.state
      const bytes =
        segments.reduce((sum, ref) => sum + ref.bytes, 0) + bare.reduce((sum, ref) => sum + ref.storedBytes, 0)
      return { segments: segments.length + bare.length, bytes }
    },
    async missing(files) {
      const { missing } = await locate(parts, files)
      return [...missing]
    },
    async publish(input) {
      checkPublish(input)
      const done = await act(async () => {
        // A process that was killed before it could merge leaves that to the next one.
        if (log.state.segments.length >= limits.store.segments) await packSmall(parts)
        return publish(parts, input)
      })
      packLater()
      return done
    },
    activate: (version, input) => act(() => changeLive(parts, input, () => versionOf(version))),
    delete: (input) => act(() => deleteSite(parts, input)),
    pin: (pin, input) => act(() => pinVersion(parts, input, pin, versionOf)),
    unpin: (pin, input) => act(() => unpinVersion(parts, input, pin)),
    prune: (keep, input) =>
      act(() => {
        const nowMs = env.monotonic()
        const isSmall = (log.state.live?.files ?? 0) <= limits.store.thoroughFiles
        const isDue = thoroughAtMs === undefined || nowMs - thoroughAtMs >= limits.store.thoroughEveryMs
        if (isDue) thoroughAtMs = nowMs
        return prune(parts, { keep, act: input, isThorough: isSmall || isDue })
      }),
    compact: () => act(() => packSmall(parts, { isAtRest: true })),
    prunable: (keep, nowMs) => retained(log.state, keep, nowMs).pruned.map(({ version }) => version),
    async diff(from, to) {
      const after = await findVersion(to)
      const before = from === undefined ? undefined : versionOf(from)
      return diffTrees(contents.node, before?.root, after.root, env.turn)
    },
    async *files(version) {
      yield* filesOf(contents.node, (await findVersion(version)).root, env.turn)
    },
    async *leaves(version) {
      yield* leavesOf(contents.node, (await findVersion(version)).root, env.turn)
    },
    find: async (version, path) => findFile(contents.node, (await findVersion(version)).root, path),
    changes: (after) => changesOf(log, after),
    ensure: (hash) => contents.ensure(hash),
    async ensureAll(version) {
      const record = await findVersion(version)
      // Packed it is less; but old versions lie in between, and each file is in the tree and in an index.
      await contents.fetchUnknown(2 * record.bytes + 512 * record.files + limits.store.wholeFetchBytes)
      await contents.ensureAll(filesOf(contents.node, record.root, env.turn))
    },
    checkpoint: () => roots.flush(),
    async [Symbol.asyncDispose]() {
      isClosed = true
      await background
      await roots.close()
      await log.close()
    },
  }
}

/** The parts of a site, with its log read. */
export async function openParts(options: SiteVersionsOptions): Promise<SiteParts> {
  const { store, handle, env, blobs, objects, keyring, owner } = options
  const name = toSiteName(options.name)
  const context = { owner, log: versionsPath(owner, name) }
  const contents = createSiteContents({ env, objects, blobs, keyring, owner, site: name, context })
  const follow = (state: SiteState) => contents.use(state.segments, state.bare)
  const log = await openSiteLog(store, handle, { owner, name }, follow)
  await log.refresh()
  return { env, objects, blobs, keyring, owner, name, log, contents }
}
