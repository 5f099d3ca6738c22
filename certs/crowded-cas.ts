/**
 * CAs that are asked for too much. Each name keeps to what a CA said to it with Retry-After; but a limit of a CA counts
 * what is ordered for a whole account or a whole domain, so with thousands of names each would have to hear it. Here a CA
 * that has sent several names away, one after the other, is asked for none like them for a while: for none of a domain,
 * or, when the names were of several domains, for none at all.
 */

import { limits } from '../core/limits.ts'
import { setNewest } from '../core/newest.ts'
import { registeredDomain } from './policy.ts'

/** Which CAs are crowded. */
export interface CrowdedCas {
  /** Until when a CA is not asked for a name; undefined when it may be. */
  untilMs(issuerId: string, name: string, nowMs: number): number | undefined
  /** A CA has said to a name when it may come again. For others that counts for `limits.managed.crowdedMs` at most. */
  sentAway(issuerId: string, name: string, untilMs: number, nowMs: number): void
  /** A CA has given a name a certificate. */
  served(issuerId: string, name: string): void
}

/** Who was sent away since somebody was served. */
interface Crowd {
  /** Names, or domains. At most `limits.managed.sentAway`. */
  readonly who: Set<string>
  untilMs: number
}

/** No CA is crowded yet. */
export function createCrowdedCas(): CrowdedCas {
  /** Keyed by issuer id, and by issuer id and domain. */
  const crowds = new Map<string, Crowd>()
  const keysOf = (issuerId: string, name: string) => {
    const domain = registeredDomain(name)
    return [
      { key: issuerId, who: domain },
      { key: `${issuerId} ${domain}`, who: name },
    ]
  }
  return {
    untilMs(issuerId, name, nowMs) {
      let latestMs: number | undefined
      for (const { key } of keysOf(issuerId, name)) {
        const crowd = crowds.get(key)
        if (!crowd || crowd.who.size < limits.managed.sentAway || crowd.untilMs <= nowMs) continue
        latestMs = Math.max(latestMs ?? 0, crowd.untilMs)
      }
      return latestMs
    },
    sentAway(issuerId, name, sentUntilMs, nowMs) {
      // Then somebody asks again: names that strangers have used up at the CA must not close it for all others.
      const untilMs = Math.min(sentUntilMs, nowMs + limits.managed.crowdedMs)
      for (const { key, who } of keysOf(issuerId, name)) {
        const crowd = crowds.get(key) ?? { who: new Set<string>(), untilMs }
        if (crowd.who.size < limits.managed.sentAway) crowd.who.add(who)
        // The last one has heard the latest news.
        crowd.untilMs = untilMs
        setNewest(crowds, key, crowd, limits.managed.crowds)
      }
    },
    served(issuerId, name) {
      for (const { key } of keysOf(issuerId, name)) crowds.delete(key)
    },
  }
}
