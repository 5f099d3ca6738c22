/** Removing for good what nobody needs any more. Each step may be cut short by a kill, and run by several at once. */

import { limits } from '../core/limits.ts'
import { type Heartbeat, holdersPrefix } from './heartbeat.ts'
import { createPace, type Pace } from './pace.ts'
import type { VaultPlace } from './vault-place.ts'
import { byAge, objectOf, objectsOf, parseObject, type Revision } from './vault-record.ts'
import type { RecordsOptions } from './vault-records.ts'

/** An object of a record as a list tells it. */
interface Listed extends Revision {
  readonly modifiedMs: number | undefined
}

/** All objects of one key, newest first. */
interface Group {
  readonly key: string
  readonly revisions: readonly Listed[]
}

/**
 * Removes records that newer ones have replaced, what is left of records that were removed
 * `limits.cert.goneKeptMs` ago, signs of life of processes that are gone, and copies of what the bucket has no more.
 * Answers how many objects that were. Holds the names of one folder in memory, not all. Rejects with the signal's reason
 * when that aborts.
 */
export async function sweepVault(
  { near, remote, env }: Pick<RecordsOptions, 'near' | 'remote' | 'env'>,
  heartbeat: Heartbeat,
  signal?: AbortSignal,
): Promise<number> {
  const truth = remote ?? near
  const pace = createPace(env, limits.managed.sweepNames, signal)
  // By the clock of the place: that of this machine may be any.
  const nowMs = await heartbeat.placeTimeMs()
  let removed = await sweepHolders(truth, nowMs)
  for await (const { key, revisions } of groupsOf(truth, pace)) {
    const [newest] = revisions
    const isForgotten = newest?.isGone && nowMs - (await modifiedMs(truth, key, newest)) > limits.cert.goneKeptMs
    const old = revisions.filter((_, index) => {
      if (revisions.slice(0, index).some((newer) => newer.isGone)) return true
      return index === 0 ? isForgotten : index > 1
    })
    removed += await removeAll(truth, key, old)
  }
  return remote ? removed + (await sweepCopies(near, remote, pace)) : removed
}

/** Infinity for an object that is gone meanwhile: as if it were new. */
async function modifiedMs(place: VaultPlace, key: string, listed: Listed): Promise<number> {
  const { modifiedMs: told = (await place.stat(objectOf(key, listed)))?.modifiedMs } = listed
  return told ?? Number.POSITIVE_INFINITY
}

async function sweepHolders(place: VaultPlace, nowMs: number): Promise<number> {
  const silent: string[] = []
  for await (const { key, modifiedMs } of place.list(holdersPrefix))
    if (nowMs - modifiedMs > limits.cert.holderKeptMs) silent.push(key)
  await place.remove(silent)
  return silent.length
}

/** Both lists are sorted, so one walk along them is enough. */
async function sweepCopies(near: VaultPlace, remote: VaultPlace, pace: Pace): Promise<number> {
  const there = groupsOf(remote, pace)
  let next = await there.next()
  let removed = 0
  for await (const { key, revisions } of groupsOf(near, pace)) {
    while (!next.done && objectsOf(next.value.key) < objectsOf(key)) next = await there.next()
    const kept = !next.done && next.value.key === key ? next.value.revisions : []
    const [newest] = kept
    const old = revisions.filter(({ number }) => newest?.isGone !== false || !kept.some((one) => one.number === number))
    removed += await removeAll(near, key, old)
  }
  await there.return(undefined)
  return removed
}

async function* groupsOf(place: VaultPlace, pace: Pace): AsyncGenerator<Group, undefined> {
  let key: string | undefined
  let revisions: Listed[] = []
  for await (const { key: object, modifiedMs } of place.keys('')) {
    await pace.step()
    const found = parseObject(object)
    if (!found) continue
    if (key !== undefined && found.key !== key) {
      yield { key, revisions: revisions.sort(byAge) }
      revisions = []
    }
    key = found.key
    revisions.push({ ...found, modifiedMs })
  }
  if (key !== undefined) yield { key, revisions: revisions.sort(byAge) }
  return undefined
}

async function removeAll(place: VaultPlace, key: string, revisions: readonly Revision[]): Promise<number> {
  if (revisions.length > 0) await place.remove(revisions.map((one) => objectOf(key, one)))
  return revisions.length
}
