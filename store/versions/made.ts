/**
 * What a change of a site has written before its entry: kept from the collector until the change is over, and removed at
 * once when it was denied. Else somebody whose quota is used up, or who has narrowed a token so that no entry is allowed,
 * could fill the disk or the bucket with changes that are refused.
 */

import { isGroveError } from '../../core/errors.ts'
import type { SiteParts } from './site-parts.ts'

/** Objects of a change that is under way. */
export interface Made {
  /** Lets go of what nobody may remove meanwhile. */
  readonly releases: (() => void)[]
  /** Keys of objects that were not there before. */
  readonly created: string[]
}

/** Takes note of objects that were written. */
export function noteMade(made: Made, written: { readonly created: readonly string[]; release(): void }): void {
  made.releases.push(written.release)
  made.created.push(...written.created)
}

/** Runs a change that writes objects before its entry. Rejects as the change does. */
export async function withMade<T>(parts: SiteParts, change: (made: Made) => Promise<T>): Promise<T> {
  const made: Made = { releases: [], created: [] }
  try {
    return await change(made)
  } catch (error) {
    letGo(made)
    // A denial says for sure that nothing was written to the log.
    if (isGroveError(error, 'ERR_DENIED') && made.created.length > 0) await discard(parts, made.created)
    throw error
  } finally {
    letGo(made)
  }
}

function letGo({ releases }: Made): void {
  for (const release of releases.splice(0)) release()
}

/** Removes objects that no entry names. What cannot be removed now is left to the collector. */
async function discard({ objects, blobs, log, epoch }: SiteParts, created: readonly string[]): Promise<void> {
  try {
    await blobs.reservations.withUnreserved(created, async (free) => {
      // Another opening of the site may have come to the same objects, and named them.
      await log.refresh()
      const named = new Set([...log.state.segments, ...log.state.bare].map(({ id }) => id))
      const unnamed = free.filter((key) => !named.has(key.slice(key.lastIndexOf('/') + 1)))
      await epoch?.check()
      if (unnamed.length > 0) await objects.remove(unnamed)
    })
  } catch {
    // The denial tells more than that.
  }
}
