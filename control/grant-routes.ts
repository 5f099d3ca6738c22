/** What can be asked over the control socket about grants: the table of core/grant-api.ts, line by line. */

import type { z } from 'zod'
import { GroveError } from '../core/errors.ts'
import {
  type Grant,
  grantRequestSchema,
  grantTargetSchema,
  type Keys,
  keysRequestSchema,
  type MadeGrant,
  type Revoked,
  siteGrantPath,
} from '../core/grant-api.ts'
import { toSiteName } from '../core/names.ts'
import { allRights } from '../store/grants/caveats.ts'
import type { GrantId, GrantInfo, Handle, Store } from '../store/store.ts'
import type { AdminRequest, AdminRoute } from './admin.ts'
import { readSiteLog } from './site-log.ts'

/** What these routes act on. */
export interface GrantRoutesOptions {
  readonly store: Store
  readonly now: () => number
}

/** Routes of grants and of the log of who did what. Each acts with the request's token, or as the operator. */
export function grantRoutes({ store, now }: GrantRoutesOptions): AdminRoute[] {
  const handleOf = (request: AdminRequest) => request.handle ?? store.root
  return [
    {
      method: 'GET',
      pattern: '/grants',
      run: async (request) => {
        const grants = await store.grants(handleOf(request), request.query.get('path') ?? '/')
        return { grants: grants.map((info) => viewOf(info, now())) }
      },
    },
    {
      method: 'POST',
      pattern: '/grants',
      run: async (request) => makeGrant(store, handleOf(request), await request.json(grantRequestSchema), now()),
    },
    {
      method: 'POST',
      pattern: '/grants/show',
      run: async (request) => {
        const { target } = await request.json(grantTargetSchema)
        return viewOf(await store.show(handleOf(request), target), now())
      },
    },
    {
      method: 'POST',
      pattern: '/grants/revoke',
      run: async (request) => revoke(store, handleOf(request), (await request.json(grantTargetSchema)).target),
    },
    {
      method: 'POST',
      pattern: '/grants/keys',
      run: async (request) => rotate(store, (await request.json(keysRequestSchema)).dropOld),
    },
    {
      method: 'GET',
      pattern: '/sites/:name/log',
      run: async (request) => {
        const path = siteGrantPath(toSiteName(request.params['name'] ?? ''))
        return readSiteLog(store, path, limitIn(request.query.get('limit')))
      },
    },
  ]
}

async function makeGrant(
  store: Store,
  handle: Handle,
  { rights, ...options }: z.output<typeof grantRequestSchema>,
  nowMs: number,
): Promise<MadeGrant> {
  if (options.untilMs <= nowMs)
    throw new GroveError(
      'ERR_BAD_REQUEST',
      `a grant cannot end in the past: ${new Date(options.untilMs).toISOString()}`,
    )
  const given = Object.fromEntries(allRights.map((right) => [right, rights.includes(right)]))
  const { maxBytes, maxWrites, ...rest } = options
  const token = await store.grant(handle, {
    ...rest,
    ...given,
    ...(maxBytes !== undefined && { maxBytes }),
    ...(maxWrites !== undefined && { maxWrites }),
  })
  return { token, grant: viewOf(await store.show(store.root, token), nowMs) }
}

async function revoke(store: Store, handle: Handle, target: Handle | GrantId): Promise<Revoked> {
  const { id } = await store.show(store.root, target)
  const { revoked } = await store.revoke(handle, target)
  return { id, revoked }
}

async function rotate(store: Store, dropOld: boolean): Promise<Keys> {
  const { kid } = await store.rotateKeys(store.root)
  return { kid, dropped: dropOld ? await store.dropKeys(store.root) : 0 }
}

function viewOf({ revoked, ...info }: GrantInfo, nowMs: number): Grant {
  const state = revoked !== undefined ? 'revoked' : info.untilMs <= nowMs ? 'expired' : 'alive'
  return { ...info, rights: [...info.rights], state }
}

const defaultEntries = 50
const mostEntries = 1_000

function limitIn(text: string | null): number {
  if (text === null) return defaultEntries
  const limit = /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : Number.NaN
  if (limit <= mostEntries) return limit
  throw new GroveError('ERR_BAD_REQUEST', `limit is a number from 1 to ${mostEntries}`)
}
