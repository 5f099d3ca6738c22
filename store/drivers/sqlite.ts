/** The default driver: one SQLite file, through node:sqlite, in a thread of its own. */

import { nodeEnvironment } from '../environment-node.ts'
import type { StoreOptions } from '../logs/create-store.ts'
import { createStore } from '../logs/create-store.ts'
import type { Store } from '../store.ts'
import { openWorkerLink } from './sqlite-link.ts'
import { newStoreSeed } from './store-seed.ts'

/**
 * Opens the store in a file and makes it when it is not there. Throws `ERR_DATA_LOCKED` when another process has it,
 * `ERR_DATA_FORMAT` when it is not a store of this version, `ERR_DATA_IO` when the disk fails.
 */
export async function openSqliteStore(file: string, { env = nodeEnvironment }: StoreOptions = {}): Promise<Store> {
  const seed = newStoreSeed(env)
  const processKey = new Uint8Array(env.randomBytes(32))
  return createStore(await openWorkerLink({ file, seed, processKey }), env)
}
