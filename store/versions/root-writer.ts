/**
 * Writing roots: after a change of the site, at most one per `limits.store.rootEveryMs`, the last state wins. Nobody waits
 * for it: the log has decided already.
 */

import { isGroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { objectKeys } from '../objects/keys.ts'
import type { Ts } from '../store.ts'
import { catalogOf } from './catalog.ts'
import type { Epoch } from './epoch.ts'
import { encodeRoot, type Root } from './root.ts'
import type { SiteParts } from './site-parts.ts'
import { plainState, type SiteState } from './site-state.ts'

/** Keeps the root of one site up to date. */
export interface RootWriter {
  /** Says that the site has changed. */
  request(): void
  /** Resolves when the root tells the present state. Throws `ERR_OBJECTS`, `ERR_FENCED`. */
  flush(): Promise<void>
}

/** What a writer is made with. */
export interface RootWriterOptions {
  readonly epoch?: Epoch | undefined
  readonly store: { readonly id: string }
  readonly onFailure?: (error: unknown, what: string) => void
}

/** A writer of one site's root. It writes nothing where there is no epoch, as for a folder on this machine. */
export function createRootWriter(parts: SiteParts, options: RootWriterOptions): RootWriter {
  const { env, log, name } = parts
  const { epoch } = options
  /** The state that the bucket has; false before the first write, as nobody knows what is there. */
  let written: Ts | undefined | false = false
  let lastAtMs = Number.NEGATIVE_INFINITY
  let running: Promise<void> | undefined

  async function write(epoch: Epoch): Promise<void> {
    while (written !== log.state.head) {
      const waitMs = lastAtMs + limits.store.rootEveryMs - env.monotonic()
      if (waitMs > 0) await env.sleep(waitMs)
      const { state } = log
      lastAtMs = env.monotonic()
      await epoch.check()
      await putRoot(parts, { epoch, storeId: options.store.id }, state)
      written = state.head
    }
  }

  function start(): Promise<void> {
    if (!epoch) return Promise.resolve()
    running ??= write(epoch).finally(() => {
      running = undefined
    })
    return running
  }

  return {
    request() {
      start().catch((error: unknown) => {
        options.onFailure?.(error, `the checkpoint of site "${name}" cannot be written`)
      })
    },
    async flush() {
      // A run that was under way may have passed its last look already.
      while (epoch && written !== log.state.head) await start()
    },
  }
}

/** Puts the root of a state in its place; that of a site without a version goes. */
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
    for await (const found of objects.list(prefix)) before.push(found.key)
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
  encode: (root: Root) => Buffer,
): Promise<Buffer> {
  const { env, contents, owner, name } = parts
  const head = { format: 1, owner, site: name, store: storeId, head: state.head ?? '', atMs: env.now() } as const
  const catalog = await catalogOf(state, contents, env).catch((error: unknown) => {
    // A root without one is slower and as good.
    if (isGroveError(error, 'ERR_BLOB_MISSING') || isGroveError(error, 'ERR_BLOB_CORRUPT')) return undefined
    throw error
  })
  const whole = encode({ ...head, ...plainState(state), ...(catalog && { catalog }) })
  if (whole.length <= limits.store.rootBytes) return whole
  for (let versions = state.versions; ; ) {
    const bytes = encode({ ...head, ...plainState({ ...state, versions }) })
    const fewer = olderHalfGone(state, versions)
    if (bytes.length <= limits.store.rootBytes || fewer.length === versions.length) return bytes
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
