/** What can be asked over the control socket about the store as a whole: verifying, backups, moving sites, collecting. */

import { siteOwner } from '../core/grant-api.ts'
import { toSiteName } from '../core/names.ts'
import { backupRequestSchema, collectRequestSchema, transferRequestSchema } from '../core/store-api.ts'
import { verifyStore } from '../store/verify/verify.ts'
import { type AdminRoute, Lines } from './admin.ts'
import { backUp } from './backup.ts'
import type { HostParts } from './host-parts.ts'
import { progressLines } from './progress-lines.ts'
import { exportToFile, importFromFile, type TransferOptions } from './transfer.ts'

/** What these routes act on. */
export interface StoreRoutesOptions extends Omit<TransferOptions, 'host'> {
  readonly host: HostParts
  /** Where the vault lies when it is not in the data folder. */
  readonly vaultFolder?: string | undefined
}

/** Routes of the store: see the table in core/admin-api.ts. They are the operator's alone. */
export function storeRoutes(options: StoreRoutesOptions): AdminRoute[] {
  const { host, vaultFolder } = options
  return [
    {
      method: 'POST',
      pattern: '/backup',
      run: async (request) => {
        const options = { ...host, vaultFolder, ...(await request.json(backupRequestSchema)), now: host.env.now }
        return new Lines(progressLines((say, signal) => backUp({ ...options, say, signal })))
      },
    },
    { method: 'POST', pattern: '/store/verify', run: async () => new Lines(verifyLines(host)) },
    {
      method: 'POST',
      pattern: '/store/collect',
      run: async (request) => {
        const { graceMs } = await request.json(collectRequestSchema)
        return new Lines(progressLines((say, signal) => host.collect(signal, { graceMs, say })))
      },
    },
    {
      method: 'POST',
      pattern: '/sites/:name/export',
      run: async (request) => {
        const { file } = await request.json(transferRequestSchema)
        const name = toSiteName(request.params['name'] ?? '')
        return new Lines(progressLines((say) => exportToFile(options, name, file, say)))
      },
    },
    {
      method: 'POST',
      pattern: '/sites/:name/import',
      run: async (request) => {
        const { file } = await request.json(transferRequestSchema)
        const name = toSiteName(request.params['name'] ?? '')
        return new Lines(progressLines((say) => importFromFile(options, name, file, say)))
      },
    },
  ]
}

function verifyLines({ store, env, objects, keyring, layout }: HostParts): AsyncGenerator<unknown> {
  return progressLines((say, signal) =>
    verifyStore({
      store,
      handle: store.root,
      env,
      objects,
      keyring,
      owner: siteOwner,
      layout,
      signal,
      onProgress: ({ what, done, bytes }) => say({ what: `verifying ${what}`, objects: done, bytes }),
    }),
  )
}
