/**
 * Sessions that ended before their time: what makes a sign-out hold in a front that asks nobody.
 *
 * Bounded without forgetting anything unsafely: when there are too many, those that would expire soonest are dropped,
 * and from then on every session that expires no later than they did counts as revoked. Somebody whose sign-in was
 * about to end anyway then signs in again a little early; nobody who signed out comes back.
 */

import type { Revocation, Session } from '../core/session.ts'

/** Revocations that a front knows. */
export interface Revocations {
  /** Takes further ones; known ones are no harm. Expired ones go when there is no room. */
  add(list: readonly Revocation[], nowMs?: number): void
  /** Whether a session has ended before its time. No I/O, two look-ups. */
  isRevoked(session: Session): boolean
  /** How many are kept. */
  readonly size: number
}

interface UserRevocation {
  readonly issuedUptoMs: number
  readonly untilMs: number
}

/** Revocations, at most `max` of sessions and `max` of users. A revocation's `untilMs` is not before its sessions expire. */
export function createRevocations(max: number): Revocations {
  /** Keyed by session id: when it may be forgotten. */
  const sessions = new Map<string, number>()
  /** Keyed by user id. */
  const users = new Map<string, UserRevocation>()
  let floorMs = Number.NEGATIVE_INFINITY

  const addOne = (revocation: Revocation): void => {
    if (revocation.kind === 'session') {
      sessions.set(revocation.id, Math.max(revocation.untilMs, sessions.get(revocation.id) ?? 0))
      return
    }
    const known = users.get(revocation.userId)
    users.set(revocation.userId, {
      issuedUptoMs: Math.max(revocation.issuedUptoMs, known?.issuedUptoMs ?? 0),
      untilMs: Math.max(revocation.untilMs, known?.untilMs ?? 0),
    })
  }

  return {
    add(list, nowMs = Date.now()) {
      for (const revocation of list) addOne(revocation)
      floorMs = Math.max(
        floorMs,
        makeRoom(sessions, (untilMs) => untilMs, max, nowMs),
      )
      floorMs = Math.max(
        floorMs,
        makeRoom(users, ({ untilMs }) => untilMs, max, nowMs),
      )
    },
    isRevoked(session) {
      if (session.expiresAtMs <= floorMs || sessions.has(session.id)) return true
      const user = users.get(session.userId)
      return user !== undefined && session.issuedAtMs <= user.issuedUptoMs
    },
    get size() {
      return sessions.size + users.size
    },
  }
}

/**
 * Brings a map that is over `max` under it: first what has expired goes, then what expires soonest. Answers the latest
 * end of what went before its time. An eighth goes at once, so that the sorting is rare.
 */
function makeRoom<V>(map: Map<string, V>, untilMs: (value: V) => number, max: number, nowMs: number): number {
  let lostMs = Number.NEGATIVE_INFINITY
  if (map.size <= max) return lostMs
  for (const [key, value] of map) if (untilMs(value) <= nowMs) map.delete(key)
  if (map.size <= max) return lostMs
  const soonestFirst = [...map].sort(([, a], [, b]) => untilMs(a) - untilMs(b))
  for (const [key, value] of soonestFirst.slice(0, map.size - Math.floor(max * 0.875))) {
    map.delete(key)
    lostMs = untilMs(value)
  }
  return lostMs
}
