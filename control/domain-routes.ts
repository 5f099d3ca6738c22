/** What can be asked over the control socket about domains of authors' own: the table of core/domain-api.ts. */

import { addDomainSchema, verifyDomainSchema } from '../core/domain-api.ts'
import { siteGrantPath } from '../core/grant-api.ts'
import { type SiteName, toSiteName } from '../core/names.ts'
import type { Store } from '../store/store.ts'
import type { AdminRequest, AdminRoute } from './admin.ts'
import type { AuthorDomains, DomainAct } from './author-domains.ts'

/** What these routes act on. */
export interface DomainRoutesOptions {
  readonly domains: Pick<AuthorDomains, 'list' | 'add' | 'verify' | 'remove'>
  readonly store: Pick<Store, 'check' | 'root'>
}

/** Routes of domains. Each acts with the request's token, or as the operator. */
export function domainRoutes({ domains, store }: DomainRoutesOptions): AdminRoute[] {
  /** The DNS may take its time, so the right is asked for again when something is about to change. */
  const actOf = (request: AdminRequest): Omit<DomainAct, 'takeOver'> => ({
    signal: request.signal,
    check: async () => (await store.check(request.handle ?? store.root, 'write', siteGrantPath(siteOf(request)))).id,
  })
  return [
    {
      method: 'GET',
      pattern: '/sites/:name/domains',
      run: async (request) => ({ domains: await domains.list(siteOf(request)) }),
    },
    {
      method: 'POST',
      pattern: '/sites/:name/domains',
      run: async (request) => {
        const { domain, takeOver } = await request.json(addDomainSchema)
        return domains.add(siteOf(request), domain, { ...actOf(request), takeOver })
      },
    },
    {
      method: 'POST',
      pattern: '/sites/:name/domains/:domain/verify',
      run: async (request) => {
        const { takeOver } = await request.json(verifyDomainSchema)
        return domains.verify(siteOf(request), domainIn(request), { ...actOf(request), takeOver })
      },
    },
    {
      method: 'DELETE',
      pattern: '/sites/:name/domains/:domain',
      run: (request) => domains.remove(siteOf(request), domainIn(request), actOf(request)),
    },
  ]
}

function siteOf({ params }: AdminRequest): SiteName {
  return toSiteName(params['name'] ?? '')
}

function domainIn({ params }: AdminRequest): string {
  return params['domain'] ?? ''
}
