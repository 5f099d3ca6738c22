/** Logs of the host itself in the store. */

import { GroveError } from '../core/errors.ts'
import type { Handle, Log, Store } from '../store/store.ts'

/** Opens a log of which entries need no order between writers, and makes it the first time. */
export async function openOwnLog(store: Store, handle: Handle, path: string): Promise<Log> {
  try {
    return await store.open(handle, path)
  } catch (error) {
    if (!(error instanceof GroveError && error.code === 'ERR_NOT_FOUND')) throw error
  }
  await store.create(handle, path, { serialized: false }).catch((error) => {
    // Another opening was faster.
    if (!(error instanceof GroveError && error.code === 'ERR_EXISTS')) throw error
  })
  return store.open(handle, path)
}
