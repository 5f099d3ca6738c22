/**
 * Which contents were sent for which site, lately. A content lies on the disk once for all sites; that it is there says
 * nothing of who may have it. So under a token a publish can name what its site has and what was sent for its site, and
 * cannot take, or find out, what was sent for another one.
 *
 * It is in memory only: what was sent before a start, and not published yet, has to be sent again.
 */

import { limits } from '../core/limits.ts'
import type { BlobHash, SiteName } from '../core/names.ts'

/** Contents and the sites that they were sent for. */
export interface SentContents {
  /** Takes note that somebody has sent a content, all of it, for a site. */
  note(site: SiteName, hash: BlobHash): void
  /** Whether that was noted. */
  has(site: SiteName, hash: BlobHash): boolean
  /** Forgets contents of a site, which has them by now. */
  forget(site: SiteName, hashes: Iterable<BlobHash>): void
}

/** Nothing was sent yet. Keeps `most` contents, those that were sent last. @default those of two of the largest sites */
export function createSentContents(most: number = 2 * limits.tree.files): SentContents {
  /** In the order in which they were sent last. */
  const sent = new Set<string>()
  const nameOf = (site: SiteName, hash: BlobHash) => `${site}/${hash}`
  return {
    note(site, hash) {
      const name = nameOf(site, hash)
      sent.delete(name)
      sent.add(name)
      for (const oldest of sent) {
        if (sent.size <= most) break
        sent.delete(oldest)
      }
    },
    has: (site, hash) => sent.has(nameOf(site, hash)),
    forget(site, hashes) {
      for (const hash of hashes) sent.delete(nameOf(site, hash))
    },
  }
}
