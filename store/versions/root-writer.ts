/**
 * Writing roots: after a change of the site, at most one per `limits.store.rootEveryMs`, the last state wins. Nobody waits
 * for it: the log has decided already.
 */

import { GroveError, isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { epochOf, objectKeys } from '../objects/keys.ts'
import type { Handle, Store, Ts } from '../store.ts'
import { catalogOf } from './catalog.ts'
import type { Epoch } from './epoch.ts'
import { encodeRoot, type Root } from './root.ts'
import { openSiteLog, type SiteLog } from './site-log.ts'
import type { SiteParts } from './site-parts.ts'
import { plainState, type SiteState } from './site-state.ts'

/** Keeps the root of one site up to date. */
export interface RootWriter {
  /** Says that the site has changed. */
  request(): void
  /** Resolves when the root tells the present state. Throws `ERR_OBJECTS`, `ERR_FENCED`. */
  flush(): Promise<void>
  /** Writes what is due, and tells what cannot be written. Nobody may call after this. */
  close(): Promise<void>
}

/** What a writer is made with. */
export interface RootWriterOptions {
  readonly epoch?: Epoch | undefined
  readonly store: Store
  readonly handle: Handle
  readonly onFailure?: (error: unknown, what: string) => void
}

/** How long after a root that could not be written it is tried again. */
const retryMs = 60_000

/** A writer of one site's root. It writes nothing where there is no epoch, as for a folder on this machine. */
export function createRootWriter(parts: SiteParts, options: RootWriterOptions): RootWriter {
  const { env, log, name, owner, blobs } = parts
  const { epoch, store, handle } = options
  /** Follows the log by itself: what is written has to be the newest, also when another opening has changed the site. */
  let reader: SiteLog | undefined
  /** The last state that was written. */
  let written: Ts | undefined
  let isWanted = false
  let lastAtMs = Number.NEGATIVE_INFINITY
  let running: Promise<void> | undefined

  const isDue = () => {
    const { head } = log.state
    return isWanted && epoch !== undefined && head !== undefined && (written === undefined || written < head)
  }

  async function writeOne(epoch: Epoch): Promise<void> {
    const waitMs = lastAtMs + limits.store.rootEveryMs - env.monotonic()
    if (waitMs > 0) await env.sleep(waitMs)
    lastAtMs = env.monotonic()
    await epoch.check()
    reader ??= await openSiteLog(store, handle, { owner, name })
    const newest = reader
    // Of two openings of the site the later one must not put an older state in place of a newer.
    await blobs.turns.run(objectKeys.root(owner, name, epoch.number), async () => {
      await newest.refresh()
      await putRoot(parts, { epoch, storeId: store.id }, newest.state)
      written = newest.state.head
    })
  }

  async function write(epoch: Epoch): Promise<void> {
    while (isDue()) await writeOne(epoch)
  }

  function start(): Promise<void> {
    if (!epoch) return Promise.resolve()
    running ??= write(epoch).finally(() => {
      running = undefined
    })
    return running
  }

  const tell = (error: unknown) => options.onFailure?.(error, `the checkpoint of site "${name}" cannot be written`)
  const ended = new AbortController()
  let isRetrying = false

  /** Writes what is due; when it cannot be, tries again after a while, as the site may not be changed for long. */
  function run(): void {
    start().catch((error: unknown) => {
      if (ended.signal.aborted) return // Told at the end.
      tell(error)
      if (isRetrying || isGroveError(error, 'ERR_FENCED')) return
      isRetrying = true
      const retry = () => {
        isRetrying = false
        run()
      }
      env.sleep(retryMs, ended.signal).then(retry, () => {})
    })
  }

  return {
    request() {
      isWanted = true
      run()
    },
    async flush() {
      isWanted = true
      // A run that was under way may have passed its last look already.
      while (isDue()) await start()
    },
    async close() {
      ended.abort()
      try {
        while (isDue()) await start()
      } catch (error) {
        tell(error)
      }
      await reader?.close()
    },
  }
}

/**
 * Puts the root of a state in its place; that of a site without a version goes. What a newer store has written stays,
 * also when that has taken over a moment ago.
 */
async function putRoot(
  parts: SiteParts,
  { epoch, storeId }: { readonly epoch: Epoch; readonly storeId: string },
  state: SiteState,
): Promise<void> {
  const { objects, owner, name, env, keyring } = parts
  const prefix = objectKeys.roots(owner, name)
  const key = objectKeys.root(owner, name, epoch.number)
  const before: string[] = []
  if (!state.live) {
    for await (const { key } of objects.list(prefix)) if ((epochOf(key) ?? 0) <= epoch.number) before.push(key)
    if (before.length > 0) await objects.remove(before)
    return
  }
  const place = { owner, site: name, key }
  await objects.replace(key, await rootBytes(parts, storeId, state, (root) => encodeRoot(env, keyring, place, root)))
}

/** The bytes of a root, within `limits.store.rootBytes`: without a catalog, and then without old versions, if need be. */
async function rootBytes(
  parts: SiteParts,
  storeId: string,
  state: SiteState,
  encode: (root: Root) => Buffer | undefined,
): Promise<Buffer> {
  const { env, contents, owner, name } = parts
  const head = { format: 1, owner, site: name, store: storeId, head: state.head ?? '', atMs: env.now() } as const
  const catalog = await catalogOf(state, contents, env).catch((error: unknown) => {
    // A root without one is slower and as good.
    if (isGroveError(error, 'ERR_BLOB_MISSING') || isGroveError(error, 'ERR_BLOB_CORRUPT')) return undefined
    throw error
  })
  const whole = encode({ ...head, ...plainState(state), ...(catalog && { catalog }) })
  if (whole && whole.length <= limits.store.rootBytes) return whole
  for (let versions = state.versions; ; ) {
    const bytes = encode({ ...head, ...plainState({ ...state, versions }) })
    const fewer = olderHalfGone(state, versions)
    const isLeast = fewer.length === versions.length
    if (bytes && (bytes.length <= limits.store.rootBytes || isLeast)) return bytes
    if (isLeast) throw new GroveError('ERR_TOO_LARGE', `the root of site "${name}" would be too large to be read`)
    versions = fewer
  }
}

/** Without the older half of those versions that are neither live nor pinned. */
function olderHalfGone({ live, pins }: SiteState, versions: SiteState['versions']): SiteState['versions'] {
  const pinned = new Set(pins.map(({ version }) => version))
  const isFree = (record: SiteState['versions'][number]) => record !== live && !pinned.has(record.version)
  const free = versions.filter(isFree)
  const gone = new Set(free.slice(0, Math.ceil(free.length / 2)))
  return versions.filter((record) => !gone.has(record))
}
