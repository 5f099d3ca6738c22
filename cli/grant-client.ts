/** The part of the control socket that core/grant-api.ts describes, asked through an {@link AdminClient}. */

import { z } from 'zod'
import {
  type Grant,
  type GrantRequest,
  grantSchema,
  type Keys,
  keysSchema,
  type MadeGrant,
  madeGrantSchema,
  type Revoked,
  revokedSchema,
  type SiteLog,
  siteLogSchema,
} from '../core/grant-api.ts'
import type { SiteName } from '../core/names.ts'
import type { AdminClient } from './admin-client.ts'

const listSchema = z.object({ grants: z.array(grantSchema) })

/** Makes a grant. The answer is the only one that holds its token. */
export function createGrant(client: AdminClient, request: GrantRequest): Promise<MadeGrant> {
  return client.ask('POST', '/grants', request, madeGrantSchema)
}

/** Grants at or under a path, newest first, dead ones too; at most `limits.store.grantsListed`. */
export async function listGrants(client: AdminClient, path: string): Promise<Grant[]> {
  const { grants } = await client.ask('GET', `/grants?path=${encodeURIComponent(path)}`, undefined, listSchema)
  return grants
}

/** One grant, by its id or a token of it. */
export function showGrant(client: AdminClient, target: string): Promise<Grant> {
  return client.ask('POST', '/grants/show', { target }, grantSchema)
}

/** Ends a grant and all under it. */
export function revokeGrant(client: AdminClient, target: string): Promise<Revoked> {
  return client.ask('POST', '/grants/revoke', { target }, revokedSchema)
}

/** Makes a new key for tokens. */
export function rotateKeys(client: AdminClient, dropOld: boolean): Promise<Keys> {
  return client.ask('POST', '/grants/keys', { dropOld }, keysSchema)
}

/** What was done with a site, newest first. */
export function readSiteLog(client: AdminClient, site: SiteName, limit: number): Promise<SiteLog> {
  return client.ask('GET', `/sites/${encodeURIComponent(site)}/log?limit=${limit}`, undefined, siteLogSchema)
}
