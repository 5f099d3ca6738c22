/** What can be asked over the control socket about the store as a whole: a backup, a collection. */

import { backupRequestSchema, collectRequestSchema } from '../core/admin-api.ts'
import { type AdminRoute, Lines } from './admin.ts'
import { backUp } from './backup.ts'
import type { HostParts } from './host-parts.ts'

/** Routes of the store: see the table in core/admin-api.ts. They are the operator's alone. */
export function storeRoutes(host: HostParts): AdminRoute[] {
  return [
    {
      method: 'POST',
      pattern: '/backup',
      run: async (request) =>
        new Lines(backUp({ ...host, ...(await request.json(backupRequestSchema)), now: host.env.now })),
    },
    {
      method: 'POST',
      pattern: '/store/collect',
      run: async (request) => {
        const { graceMs } = await request.json(collectRequestSchema)
        return await host.collect(request.signal, graceMs)
      },
    },
  ]
}
