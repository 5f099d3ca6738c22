/**
 * Contents that a front's disk does not have: the disk is a cache, and what was evicted or damaged comes back through
 * control. A content is waited for; a copy in another coding is only reported, since a visitor can do without it.
 *
 * Visitors decide what is asked for, so all of it is bounded: contents that are waited for, the time, and how often one
 * copy is reported.
 */

import type { Coding } from '../core/compiled.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash, SiteName } from '../core/names.ts'
import { setNewest } from '../core/newest.ts'

/** A content as control is asked for it. */
export interface WantedContent {
  /** A site that has it: control looks for it where that site's contents are. */
  readonly site: SiteName
  readonly hash: BlobHash
  readonly bytes: number
}

/** A copy as control is told of it. */
export interface WantedCopy extends WantedContent {
  readonly coding: Coding
  /** Media type of the content. */
  readonly type: string
}

/** Control, as it is asked. */
export interface ContentLink {
  /** Resolves when a content is on the disk. Bounded in time. */
  content(wanted: WantedContent): Promise<void>
  reportCopy(copy: WantedCopy): void
}

/** What is missing, and is being asked for. */
export interface MissingContents {
  /**
   * Resolves when a content is on the disk. Requests for one content that come meanwhile share one question. Rejects
   * with what control answers, or `ERR_TOO_MANY` over `limits.front.contentAsks`.
   */
  get(wanted: WantedContent): Promise<void>
  /** Has a copy made again, in its time. The same copy is reported at most once in `limits.front.copyReportMs`. */
  report(copy: WantedCopy): void
}

/** Nothing is missing yet. `now` is a clock that only goes on, in milliseconds. */
export function createMissingContents(
  link: () => ContentLink,
  now: () => number = () => performance.now(),
): MissingContents {
  /** Keyed by hash. */
  const asking = new Map<BlobHash, Promise<void>>()
  /** When each copy was reported, keyed by hash and coding, oldest first. */
  const reportedAtMs = new Map<string, number>()
  return {
    get(wanted) {
      const { hash } = wanted
      const same = asking.get(hash)
      if (same) return same
      if (asking.size >= limits.front.contentAsks) {
        const message = `more than ${limits.front.contentAsks} contents are waited for`
        return Promise.reject(new GroveError('ERR_TOO_MANY', message))
      }
      const asked = link()
        .content(wanted)
        .finally(() => asking.delete(hash))
      asking.set(hash, asked)
      return asked
    },
    report(copy) {
      const key = `${copy.hash}.${copy.coding}`
      const sinceMs = now() - (reportedAtMs.get(key) ?? Number.NEGATIVE_INFINITY)
      if (sinceMs < limits.front.copyReportMs) return
      setNewest(reportedAtMs, key, now(), limits.front.copyReports)
      link().reportCopy(copy)
    },
  }
}
