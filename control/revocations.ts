/**
 * Sessions that ended before their time, kept in the log `/sessions/revoked`: a sign-out that was acknowledged holds
 * over a restart. What fronts do with them is in proxy/revocations.ts.
 */

import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type Revocation, revocationSchema } from '../core/session.ts'
import { openOwnLog } from '../store/logs/own-log.ts'
import type { Handle, Store } from '../store/store.ts'

const path = '/sessions/revoked'

/** The revocations of one host. */
export interface Revocations {
  /** Those that have not expired: at most one of a session and one of a user. */
  list(): Revocation[]
  /**
   * Ends a session, or all of a user; durable when it resolves. Fronts are not told here. `untilMs` is not before the
   * last of these sessions expires. Throws `ERR_TOO_MANY` when so many are in force that no front could hold them.
   */
  add(revocation: Revocation): Promise<void>
}

/** Opens the revocations in a store. Throws `ERR_DATA_FORMAT` for a record that is none. */
export async function openRevocations(
  store: Store,
  handle: Handle,
  options: { now?: () => number } = {},
): Promise<Revocations> {
  const now = options.now ?? Date.now
  const log = await openOwnLog(store, handle, path)
  /** Keyed by kind and id. */
  const kept = new Map<string, Revocation>()
  for await (const entry of log.read()) keep(kept, parseRecord(entry.data))
  dropExpired(kept, now())

  return {
    list() {
      dropExpired(kept, now())
      return [...kept.values()]
    },
    async add(revocation) {
      if (kept.size >= limits.session.revocations) dropExpired(kept, now())
      if (kept.size >= limits.session.revocations && !kept.has(keyOf(revocation)))
        throw new GroveError('ERR_TOO_MANY', `more than ${limits.session.revocations} sessions ended before their time`)
      await log.write(Buffer.from(JSON.stringify(revocation)))
      keep(kept, revocation)
    },
  }
}

function parseRecord(data: Uint8Array): Revocation {
  try {
    return revocationSchema.parse(JSON.parse(Buffer.from(data).toString('utf8')))
  } catch (error) {
    throw new GroveError('ERR_DATA_FORMAT', `log ${path} has a record that is no revocation`, { cause: error })
  }
}

/** Two revocations of one user become the one that says both. */
function keep(kept: Map<string, Revocation>, revocation: Revocation): void {
  const key = keyOf(revocation)
  const known = kept.get(key)
  const untilMs = Math.max(revocation.untilMs, known?.untilMs ?? 0)
  if (revocation.kind === 'session') {
    kept.set(key, { ...revocation, untilMs })
    return
  }
  const knownUptoMs = known?.kind === 'user' ? known.issuedUptoMs : 0
  kept.set(key, { ...revocation, untilMs, issuedUptoMs: Math.max(revocation.issuedUptoMs, knownUptoMs) })
}

function keyOf(revocation: Revocation): string {
  return revocation.kind === 'session' ? `session ${revocation.id}` : `user ${revocation.userId}`
}

function dropExpired(kept: Map<string, Revocation>, nowMs: number): void {
  for (const [key, { untilMs }] of kept) if (untilMs <= nowMs) kept.delete(key)
}
