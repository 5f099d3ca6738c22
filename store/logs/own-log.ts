/** Logs of the host itself: opened, and made the first time. */

import { isGroveError } from '../../core/errors.ts'
import type { Handle, Log, Store } from '../store.ts'

/**
 * Opens a log and makes it when it is not there; one that is there is as it was made, whatever `serialized` says.
 * Throws what {@link Store.open} and {@link Store.create} throw, but for `ERR_NOT_FOUND` and `ERR_EXISTS`.
 */
export async function openOwnLog(
  store: Store,
  handle: Handle,
  path: string,
  { serialized = false }: { readonly serialized?: boolean } = {},
): Promise<Log> {
  try {
    return await store.open(handle, path)
  } catch (error) {
    if (!isGroveError(error, 'ERR_NOT_FOUND')) throw error
  }
  try {
    await store.create(handle, path, { serialized })
  } catch (error) {
    if (!isGroveError(error, 'ERR_EXISTS')) throw error // Another one was faster; the log is there all the same.
  }
  return store.open(handle, path)
}
