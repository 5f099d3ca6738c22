/**
 * What is said over the control socket about domains of authors' own; the rest is in core/admin-api.ts.
 *
 * | request | answer |
 * |---|---|
 * | `GET /sites/<name>/domains` | `{ domains: SiteDomain[] }`, {@link siteDomainSchema}, sorted |
 * | `POST /sites/<name>/domains` {@link addDomainSchema} | {@link siteDomainSchema}: adds it, and asks the DNS |
 * | `POST /sites/<name>/domains/<domain>/verify` {@link verifyDomainSchema} | {@link siteDomainSchema}: asks the DNS; `ERR_NOT_FOUND` when it was not added |
 * | `DELETE /sites/<name>/domains/<domain>` | `{}`; `ERR_NOT_FOUND` when the site does not have it |
 *
 * A token needs the right to write on the site's path, and to read for the list. A domain that another site has proven
 * moves with `takeOver` only: without, `ERR_CONFLICT` with `details.reason` `taken`.
 */

import { z } from 'zod'
import { limits } from './limits.ts'

/** A domain to have proven, moving it here when another site has it. */
export const verifyDomainSchema = z.strictObject({ takeOver: z.boolean().default(false) })

/** A domain to add to a site. */
export const addDomainSchema = verifyDomainSchema.extend({ domain: z.string().min(1).max(1_000) })

/** A domain of a site, as shown. */
export const siteDomainSchema = z.object({
  domain: z.string(),
  /**
   * `pending`: waits for its record. `proven`: the site is served under it. `overruled`: proven, but the config has given
   * the name away since.
   */
  state: z.enum(['pending', 'proven', 'overruled']),
  /** The TXT record that proves it. */
  record: z.object({ name: z.string(), value: z.string() }),
  addedAtMs: z.number(),
  provenAtMs: z.number().optional(),
  /** Whether another site has proven it. */
  isElsewhere: z.boolean(),
  /** Other values that the DNS has at the record's name; only when it was just asked. */
  found: z.array(z.string()).max(limits.domains.found).optional(),
  /** Why the DNS could not be asked just now. */
  problem: z.string().optional(),
  /** How its certificate stands; absent while there is nothing to tell. */
  certificate: z
    .object({
      state: z.string(),
      issuer: z.string().optional(),
      notAfterMs: z.number().optional(),
      lastError: z.string().optional(),
      nextTryAtMs: z.number().optional(),
    })
    .optional(),
})
/** A domain of a site, as shown. */
export type SiteDomain = z.output<typeof siteDomainSchema>

/** All domains of a site. */
export const siteDomainsSchema = z.object({ domains: z.array(siteDomainSchema) })
