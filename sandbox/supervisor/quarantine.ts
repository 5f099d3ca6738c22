/**
 * Rest for sites whose processes have to be killed: a little at first, then longer; after five kills within a minute a
 * site is in quarantine. Its static version is served all the time, and what has no file gets 503 with Retry-After.
 */

import { setTimeout as wait } from 'node:timers/promises'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { SiteName } from '../../core/names.ts'
import { setNewest } from '../../core/newest.ts'
import type { Quarantined } from '../../core/supervisor-messages.ts'

/** The rest of a site. */
export interface Rest {
  readonly restMs: number
  /** Whether it was killed too often: then it is a quarantine. */
  readonly isQuarantine: boolean
}

/** Which sites rest. */
export interface Quarantine {
  /** Resolves when the site may run; a short rest is waited for. Rejects with `ERR_SITE_RESTING`, and for how long. */
  pass(site: SiteName): Promise<void>
  /** A process of the site was killed for a reason. Answers how long the site rests. */
  killed(site: SiteName, reason: string): Rest
  /** Lets a site run again, and forgets its kills. */
  release(site: SiteName): void
  /** Sites in quarantine. */
  list(): Quarantined[]
}

interface Record {
  /** When it was killed, within the last minute. */
  kills: number[]
  /** Kills with less than a minute between each and the next; and quarantines likewise. */
  inRow: number
  quarantines: number
  untilMs: number
  isQuarantine: boolean
  reason: string
}

/** A quarantine with nobody in it. Times are of `Date.now()`. */
export function createQuarantine(now: () => number = Date.now): Quarantine {
  const records = new Map<SiteName, Record>()
  const {
    kills: mostKills,
    killsMs,
    firstBackOffMs,
    longestBackOffMs,
    quarantineMs,
    longestQuarantineMs,
    shortRestMs,
  } = limits.sandboxProcess

  function recordOf(site: SiteName, atMs: number): Record {
    const known = records.get(site)
    const record = known ?? { kills: [], inRow: 0, quarantines: 0, untilMs: 0, isQuarantine: false, reason: '' }
    record.kills = record.kills.filter((killedMs) => atMs - killedMs < killsMs)
    if (record.kills.length === 0 && atMs - record.untilMs > killsMs) {
      record.inRow = 0
      // Whoever ran well as long as it had rested begins anew.
      if (atMs - record.untilMs > longestQuarantineMs) record.quarantines = 0
    }
    setNewest(records, site, record, limits.sandboxProcess.remembered)
    return record
  }

  return {
    async pass(site) {
      const record = records.get(site)
      if (!record) return
      const restMs = Math.ceil(record.untilMs - now())
      if (restMs <= 0) return
      if (!record.isQuarantine && restMs <= shortRestMs) return wait(restMs)
      const what = record.isQuarantine
        ? `is in quarantine after ${mostKills} kills within a minute`
        : 'rests after a kill'
      throw new GroveError('ERR_SITE_RESTING', `the code of ${site} ${what} (${record.reason})`, {
        details: { retryAfterMs: restMs, reason: record.reason },
      })
    },
    killed(site, reason) {
      const atMs = now()
      const record = recordOf(site, atMs)
      record.kills.push(atMs)
      record.inRow += 1
      record.reason = reason
      record.isQuarantine = record.kills.length >= mostKills
      let restMs = Math.min(firstBackOffMs * 2 ** (record.inRow - 1), longestBackOffMs)
      if (record.isQuarantine) {
        restMs = Math.min(quarantineMs * 2 ** record.quarantines, longestQuarantineMs)
        record.quarantines += 1
        record.kills = []
      }
      record.untilMs = atMs + restMs
      return { restMs, isQuarantine: record.isQuarantine }
    },
    release(site) {
      records.delete(site)
    },
    list() {
      const atMs = now()
      return [...records]
        .filter(([, record]) => record.isQuarantine && record.untilMs > atMs)
        .map(([site, { untilMs, reason }]) => ({ site, untilMs, kills: mostKills, reason }))
    },
  }
}
