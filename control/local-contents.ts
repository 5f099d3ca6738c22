/** Bringing contents to the local disk, for fronts that miss them. */

import type { Logger } from 'pino'
import type { SiteName } from '../core/names.ts'
import type { Blobs } from '../store/contents/blobs.ts'
import type { AskOf } from './front-asks.ts'
import type { SiteRegistry } from './site-registry.ts'

/** What contents are brought with. */
export interface LocalContentsOptions {
  readonly registry: Pick<SiteRegistry, 'need'>
  readonly blobs: Pick<Blobs, 'bytesOf' | 'discardDamaged'>
  /** Sites of at most so many bytes are fetched as a whole when one of their contents is missing; 0 for none. */
  readonly wholeBytes: number
  readonly log: Logger
}

/** Brings contents to the local disk. */
export interface LocalContents {
  /**
   * Resolves when a content of a site lies on the local disk. One that lies there and still was asked for is looked at,
   * and fetched again when it is damaged. Rejects with `ERR_SITE_UNKNOWN`, `ERR_BLOB_MISSING`, `ERR_OBJECTS`.
   *
   * A site that has one missing may have all missing, on a new disk with a bucket behind it. So the others are fetched
   * after it, with few requests, unless the site is so large that this would push others out.
   */
  bring(wanted: Omit<AskOf<'content'>, 'kind'>): Promise<void>
  /** Resolves when nothing is being fetched that nobody waits for. */
  idle(): Promise<void>
}

/** Nothing is being fetched yet. */
export function createLocalContents({ registry, blobs, wholeBytes, log }: LocalContentsOptions): LocalContents {
  /** Keyed by site: one after the other would ask for the same again. */
  const whole = new Map<SiteName, Promise<void>>()

  async function fetchRest(name: SiteName): Promise<void> {
    using site = await registry.need(name)
    const { live } = site.versions
    if (live && live.bytes <= wholeBytes) await site.versions.ensureAll(live.version)
  }

  return {
    async bring({ site: name, hash, bytes }) {
      using site = await registry.need(name)
      const found = await blobs.bytesOf(hash)
      if (found !== undefined && found !== bytes) await blobs.discardDamaged(hash)
      await site.versions.ensure(hash)
      if (wholeBytes === 0 || whole.has(name)) return
      const fetching = fetchRest(name)
        .catch((error: unknown) => log.warn({ err: error, site: name }, 'contents are fetched when they are asked for'))
        .finally(() => whole.delete(name))
      whole.set(name, fetching)
    },
    async idle() {
      await Promise.all(whole.values())
    },
  }
}
