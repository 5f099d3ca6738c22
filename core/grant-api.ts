/**
 * What is said over the control socket about grants and tokens; the rest is in core/admin-api.ts.
 *
 * | request | answer |
 * |---|---|
 * | `GET /grants?path=<path>` | `{ grants: Grant[] }`, {@link grantSchema}: of those at or under the path, newest first, 1,000 at most |
 * | `POST /grants` {@link grantRequestSchema} | {@link madeGrantSchema}: the only answer that holds the token |
 * | `POST /grants/show` {@link grantTargetSchema} | {@link grantSchema} |
 * | `POST /grants/revoke` {@link grantTargetSchema} | {@link revokedSchema} |
 * | `POST /grants/keys` {@link keysRequestSchema} | {@link keysSchema} |
 * | `GET /sites/<name>/log?limit=<n>` | {@link siteLogSchema}, newest first |
 *
 * A request may carry `Authorization: Bearer <token>` (RFC 6750 section 2.1). Then it is done with the token's rights,
 * and each entry that it leads to is written under the token's grant. Without one it is the operator's, who alone can
 * open the socket.
 */

import { z } from 'zod'
import { limits } from './limits.ts'
import type { SiteName } from './names.ts'

/** The owner under whose path every site lies as long as there is one operator and no accounts of authors. */
export const siteOwner = 'operator'

/** The path under which all logs of a site lie: what a grant for the site is for. */
export function siteGrantPath(name: SiteName): string {
  return `/sites/${siteOwner}/${name}`
}

const path = z.string().max(limits.store.pathBytes)
const right = z.enum(['read', 'write', 'grant'])

/** A grant to make. */
export const grantRequestSchema = z.strictObject({
  path,
  rights: z.array(right).max(3),
  untilMs: z.int().positive(),
  label: z.string().max(limits.store.labelChars).default(''),
  maxBytes: z.int().nonnegative().optional(),
  maxWrites: z.int().nonnegative().optional(),
})
/** A grant to make. */
export type GrantRequest = z.input<typeof grantRequestSchema>

/** A grant by its id or by a token of it. In the body, since targets of requests are logged. */
export const grantTargetSchema = z.strictObject({ target: z.string().max(limits.store.handleChars) })

/** A grant as shown: no token can be made from it. */
export const grantSchema = z.object({
  id: z.string(),
  parent: z.string().optional(),
  path: z.string(),
  rights: z.array(right),
  untilMs: z.number(),
  label: z.string(),
  madeAtMs: z.number(),
  maxBytes: z.int().optional(),
  maxWrites: z.int().optional(),
  usedBytes: z.int(),
  usedWrites: z.int(),
  state: z.enum(['alive', 'revoked', 'expired']),
})
/** A grant as shown. */
export type Grant = z.output<typeof grantSchema>

/** A grant that was just made, with its token. Nobody can be told the token again. */
export const madeGrantSchema = z.object({ token: z.string(), grant: grantSchema })
/** A grant that was just made. */
export type MadeGrant = z.output<typeof madeGrantSchema>

/** What a revocation ended: how many grants were alive until then, itself and those under it. */
export const revokedSchema = z.object({ id: z.string(), revoked: z.int() })
/** What a revocation ended. */
export type Revoked = z.output<typeof revokedSchema>

/** Makes a new key for tokens; with `dropOld` all tokens that were made with older ones end. */
export const keysRequestSchema = z.strictObject({ dropOld: z.boolean().default(false) })

/** The key that signs from now on, and how many are gone. */
export const keysSchema = z.object({ kid: z.string(), dropped: z.int() })
/** The key that signs from now on. */
export type Keys = z.output<typeof keysSchema>

/** Something that was done with a site: what, when, and under which grant. */
export const siteLogEntrySchema = z.object({
  atMs: z.number(),
  /** `publish`, `live`, `delete`, `tag`, `pin`, `unpin`, `prune`; of grants `grant` and `revoke`. */
  act: z.string(),
  by: z.object({ id: z.string(), label: z.string() }),
  /** What else was told of it, by kind of act. */
  details: z.record(z.string(), z.unknown()),
})
/** Something that was done with a site. */
export type SiteLogEntry = z.output<typeof siteLogEntrySchema>

/** What was done with a site, newest first. `more`: there is older that was not asked for. */
export const siteLogSchema = z.object({ entries: z.array(siteLogEntrySchema), more: z.boolean() })
/** What was done with a site. */
export type SiteLog = z.output<typeof siteLogSchema>
