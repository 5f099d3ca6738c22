/**
 * A store that was lost while the contents beside it were not.
 *
 * Without its store a data folder looks like a new one, and a collection would remove every object, as no version
 * refers to it: what a backup of the store could still have brought back would be gone for good.
 */

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { GroveError } from '../core/errors.ts'
import type { Layout } from '../core/layout.ts'
import { grantsLogPath } from '../store/grants/grant-changes.ts'
import type { Store } from '../store/store.ts'

/** Throws `ERR_DATA_FORMAT` when a store has never been written to and there are contents. Call it before either is changed. */
export async function refuseLostStore(store: Store, layout: Layout): Promise<void> {
  const logs = await store.list(store.root, '/')
  // The log of grants is as old as the store.
  if (logs.some((path) => path !== grantsLogPath) || !(await hasFiles(layout.objects))) return
  throw new GroveError('ERR_DATA_FORMAT', `${layout.objects} has contents, but ${layout.database} is new`, {
    hint: `restore ${layout.database} from a backup, or start with an empty data folder`,
  })
}

async function hasFiles(objects: string): Promise<boolean> {
  for (const folder of await readdir(objects).catch(() => []))
    if ((await readdir(join(objects, folder)).catch(() => [])).length > 0) return true
  return false
}
