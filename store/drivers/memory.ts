/** Records in memory: the reference model of a driver, and a store for tests. Nothing outlives the process. */

import { GroveError } from '../../core/errors.ts'
import type { Environment } from '../environment.ts'
import { nodeEnvironment } from '../environment-node.ts'
import { createLocalStore, type StoreOptions } from '../logs/create-store.ts'
import type { GrantRecord, KeyRecord, Records } from '../logs/records.ts'
import { covers } from '../logs/store-path.ts'
import type { GrantId, Store } from '../store.ts'
import { memoryLogs } from './memory-logs.ts'
import { newStoreSeed } from './store-seed.ts'

/** A new, empty store in memory. */
export async function openMemoryStore(options: StoreOptions = {}): Promise<Store> {
  return createLocalStore(memoryRecords(options.env), options)
}

/** Records in memory. */
export function memoryRecords(env: Pick<Environment, 'now' | 'randomBytes'> = nodeEnvironment): Records {
  const { storeId, key } = newStoreSeed(env)
  let keys: readonly KeyRecord[] = [key]
  let lastSeq = 0
  let epoch = 0
  /** What takes the running transaction's changes back, the first change first. */
  let undo: (() => void)[] = []
  const undone = (take: () => void) => undo.push(take)
  return {
    storeId,
    transact(run) {
      undo = []
      const before = { lastSeq, epoch, keys }
      try {
        return run()
      } catch (error) {
        for (const take of undo.reverse()) take()
        ;({ lastSeq, epoch, keys } = before)
        throw error
      }
    },
    read: (run) => run(),
    close() {},
    copyTo() {
      throw new GroveError('ERR_BAD_REQUEST', 'a store in memory has no file to copy')
    },
    takeEpoch() {
      epoch += 1
      return epoch
    },
    epoch: () => epoch,
    lastSeq: () => lastSeq,
    takeSeq() {
      lastSeq += 1
      return lastSeq
    },
    keys: () => keys,
    addKey(record) {
      keys = [...keys, record]
    },
    removeKey(kid) {
      keys = keys.filter((record) => record.kid !== kid)
    },
    ...memoryLogs(undone),
    ...memoryGrants(undone),
  }
}

function memoryGrants(
  undone: (take: () => void) => void,
): Pick<Records, 'grant' | 'grants' | 'children' | 'addGrant' | 'useGrant' | 'revokeGrant'> {
  const grants = new Map<GrantId, GrantRecord>()

  function setGrant(record: GrantRecord): void {
    const before = grants.get(record.id)
    grants.set(record.id, record)
    undone(() => (before ? grants.set(record.id, before) : grants.delete(record.id)))
  }

  return {
    grant: (id) => grants.get(id),
    grants: (prefix, most) =>
      [...grants.values()]
        .filter(({ path }) => covers(prefix, path))
        .reverse()
        .slice(0, most),
    children: (id, most) =>
      [...grants.values()]
        .filter(({ parent }) => parent === id)
        .slice(0, most)
        .map((grant) => grant.id),
    addGrant: setGrant,
    useGrant(id, bytes, writes) {
      const record = grants.get(id)
      if (!record) return
      const { usedBytes, usedWrites } = record
      setGrant({ ...record, usedBytes: usedBytes + bytes, usedWrites: usedWrites + writes })
    },
    revokeGrant(id, seq) {
      const record = grants.get(id)
      if (record && record.revokedSeq === undefined) setGrant({ ...record, revokedSeq: seq })
    },
  }
}
