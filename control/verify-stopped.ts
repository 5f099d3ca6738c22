/** Verifying the store of a data folder while no Grove runs there: with the store's file itself, and no part of it changed. */

import type { Config } from '../core/config.ts'
import { GroveError } from '../core/errors.ts'
import { siteOwner } from '../core/grant-api.ts'
import { layoutOf } from '../core/layout.ts'
import { openSqliteStore } from '../store/drivers/sqlite.ts'
import { checkSqliteFile } from '../store/drivers/sqlite-check.ts'
import { nodeEnvironment as env } from '../store/environment-node.ts'
import { configuredBucket } from '../store/objects/configured-bucket.ts'
import { openObjects } from '../store/objects/open-objects.ts'
import { configuredKeyring } from '../store/segments/configured-keys.ts'
import type { VerifyReport } from '../store/verify/report.ts'
import { verifyStore } from '../store/verify/verify.ts'
import type { ProgressLine } from './progress-lines.ts'

/**
 * Verifies a data folder that is not in use. Throws `ERR_DATA_LOCKED` when it is, `ERR_NOT_FOUND` when there is none,
 * `ERR_OBJECTS`, `ERR_CONFIG_INVALID` for secrets that cannot be had.
 */
export async function verifyStopped(config: Config, say: (progress: ProgressLine) => void): Promise<VerifyReport> {
  const layout = layoutOf(config.data)
  await using stack = new AsyncDisposableStack()
  const keyring = await configuredKeyring(config.encryption, process.env)
  const bucket = await configuredBucket(config.store, process.env)
  const databaseFaults = await checkSqliteFile(env, layout.database)
  const store = stack.use(await openSqliteStore(layout.database).catch(told(databaseFaults)))
  const objects = stack.use(await openObjects(env, { folder: layout.objects, bucket }))
  return await verifyStore({
    store,
    handle: store.root,
    env,
    objects,
    keyring,
    owner: siteOwner,
    layout,
    databaseFaults,
    onProgress: ({ what, done, bytes }) => say({ what: `verifying ${what}`, objects: done, bytes }),
  })
}

/** A store that cannot be opened for its damage is told with what the check of its file has found. */
function told(faults: readonly string[]): (error: unknown) => never {
  return (error) => {
    if (faults.length === 0) throw error
    throw new GroveError('ERR_DATA_FORMAT', `store.db is damaged: ${faults[0]}`, {
      cause: error,
      details: { faults },
      hint: 'restore store.db from a backup',
    })
  }
}
