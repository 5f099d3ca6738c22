/** The part of the control socket that core/domain-api.ts describes, asked through an {@link AdminClient}. */

import { z } from 'zod'
import { type SiteDomain, siteDomainSchema, siteDomainsSchema } from '../core/domain-api.ts'
import type { SiteName } from '../core/names.ts'
import type { AdminClient } from './admin-client.ts'

const segment = encodeURIComponent

/** All domains of a site, sorted. */
export async function listDomains(client: AdminClient, site: SiteName): Promise<SiteDomain[]> {
  const { domains } = await client.ask('GET', `/sites/${segment(site)}/domains`, undefined, siteDomainsSchema)
  return domains
}

/** Adds a domain to a site, and has the DNS asked for its record. */
export function addDomain(client: AdminClient, site: SiteName, domain: string, takeOver: boolean): Promise<SiteDomain> {
  return client.ask('POST', `/sites/${segment(site)}/domains`, { domain, takeOver }, siteDomainSchema)
}

/** Has the DNS asked for the record of a domain that was added. */
export function verifyDomain(
  client: AdminClient,
  site: SiteName,
  domain: string,
  takeOver: boolean,
): Promise<SiteDomain> {
  const path = `/sites/${segment(site)}/domains/${segment(domain)}/verify`
  return client.ask('POST', path, { takeOver }, siteDomainSchema)
}

/** Takes a domain from a site. */
export async function removeDomain(client: AdminClient, site: SiteName, domain: string): Promise<void> {
  await client.ask('DELETE', `/sites/${segment(site)}/domains/${segment(domain)}`, undefined, z.object({}))
}
