/** Makes a store out of a driver's records: the rules that all drivers share. */

import { randomBytes } from 'node:crypto'
import { GroveError } from '../../core/errors.ts'
import { randomId } from '../../core/ids.ts'
import { limits } from '../../core/limits.ts'
import { chainOf, namedGrant, refusal, requireChild, requireRevoker, requireRight } from '../grants/grants.ts'
import { handleOf, rootGrantId } from '../grants/handle.ts'
import type { GrantOptions, Handle, Store } from '../store.ts'
import { requireOpId } from './append.ts'
import { openLog } from './open-log.ts'
import type { OpenStore } from './open-store.ts'
import type { LogRecord, Records } from './records.ts'
import { toLogPath, toPrefix } from './store-path.ts'
import { formatTs } from './timestamp.ts'
import { beginTransaction } from './transaction.ts'
import { createWatchers } from './watchers.ts'

/** What every driver is opened with. */
export interface StoreOptions {
  /** The clock that ends grants, ms since the epoch. @default Date.now */
  readonly now?: () => number
}

/** The store over these records; it owns them and closes them. */
export function createStore(records: Records, options: StoreOptions = {}): Store {
  let closed = false
  const inside: OpenStore = {
    records,
    keys: { stored: records.handleKey, process: randomBytes(32) },
    now: options.now ?? Date.now,
    watchers: createWatchers(),
    requireOpen() {
      if (closed) throw new GroveError('ERR_CLOSED', 'store is closed')
    },
  }
  return {
    id: records.storeId,
    root: handleOf(rootGrantId, inside.keys),
    async create(handle, path, { serialized }) {
      inside.requireOpen()
      toLogPath(path)
      records.transact(() => {
        requireRight(inside, handle, 'grant', path)
        requireRight(inside, handle, 'write', path)
        if (records.log(path)) throw new GroveError('ERR_EXISTS', `log ${path} exists`)
        records.addLog(path, serialized)
      })
    },
    async list(handle, prefix) {
      inside.requireOpen()
      toPrefix(prefix)
      return records.read(() => {
        requireRight(inside, handle, 'read', prefix)
        return records.logPaths(prefix)
      })
    },
    async grant(handle, grantOptions) {
      inside.requireOpen()
      return addGrant(inside, handle, grantOptions)
    },
    async revoke(handle, target) {
      inside.requireOpen()
      return formatTs(records.storeId, revoke(inside, handle, target))
    },
    async open(handle, path) {
      inside.requireOpen()
      toLogPath(path)
      return openLog(inside, handle, findLog(inside, handle, path))
    },
    async begin(...logs) {
      inside.requireOpen()
      return beginTransaction(inside, logs)
    },
    async lookup(handle, path, opId) {
      inside.requireOpen()
      requireOpId(opId)
      const seq = records.read(() => records.seqOfOp(findLog(inside, handle, toLogPath(path)).id, opId))
      return seq === undefined ? undefined : formatTs(records.storeId, seq)
    },
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      inside.watchers.wakeAll()
      records.close()
    },
  }
}

/** A log's record, for whoever may read or write it. Rights come first: what exists is not told to others. */
function findLog(inside: OpenStore, handle: Handle, path: string): LogRecord {
  return inside.records.read(() => {
    const chain = chainOf(inside, handle)
    requireRight(inside, handle, refusal(chain, 'read', path) === 'rights' ? 'write' : 'read', path)
    const record = inside.records.log(path)
    if (!record) throw new GroveError('ERR_NOT_FOUND', `no log ${path}`)
    return record
  })
}

function addGrant(inside: OpenStore, handle: Handle, options: GrantOptions): Handle {
  const { path, untilMs, read = false, write = false, grant = false, label = '' } = options
  toPrefix(path)
  if (!Number.isSafeInteger(untilMs) || Number.isNaN(new Date(untilMs).getTime()))
    throw new GroveError('ERR_BAD_REQUEST', `end of a grant is not a time in milliseconds: ${untilMs}`)
  if (label.length > limits.store.labelChars)
    throw new GroveError('ERR_TOO_LARGE', `label of more than ${limits.store.labelChars} characters`)
  const id = randomId()
  inside.records.transact(() => {
    const chain = chainOf(inside, handle)
    requireChild(chain, options)
    const parent = chain[0].id
    inside.records.addGrant({ id, parent, path, untilMs, read, write, grant, label, revokedSeq: undefined })
  })
  return handleOf(id, inside.keys)
}

function revoke(inside: OpenStore, handle: Handle, target: Handle): number {
  const { records } = inside
  const seq = records.transact(() => {
    const grant = namedGrant(inside, target)
    // Whoever ends its own grant and lost the answer may ask again.
    if (grant.revokedSeq !== undefined && handle === target) return grant.revokedSeq
    requireRevoker(inside, chainOf(inside, handle), grant)
    if (grant.revokedSeq !== undefined) return grant.revokedSeq
    const next = records.takeSeq()
    records.revokeGrant(grant.id, next)
    return next
  })
  // Watchers under the grant find out at once rather than at the next entry.
  inside.watchers.wakeAll()
  return seq
}
