/** What can be asked over the control socket: the table of core/admin-api.ts, line by line. */

import { z } from 'zod'
import { publishRequestSchema, rollbackRequestSchema, type Status } from '../core/admin-api.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type SiteName, toSiteName } from '../core/names.ts'
import type { AdminRequest, AdminRoute } from './admin.ts'
import { contentIn } from './content-request.ts'
import type { Outbox } from './outbox.ts'
import type { Publisher } from './publish.ts'
import type { ReloadResult } from './reload.ts'
import type { SiteRegistry } from './site-registry.ts'
import type { SiteViews } from './site-views.ts'
import { versionIn } from './version-routes.ts'

/** What the routes act on. */
export interface AdminRoutesOptions {
  readonly publisher: Publisher
  readonly registry: Pick<SiteRegistry, 'need'>
  readonly views: SiteViews
  readonly outbox: () => Pick<Outbox, 'confirmed'>
  readonly status: () => Promise<Status>
  readonly reload: () => Promise<ReloadResult>
  /** Asks the parent to stop everything. */
  readonly stop: () => void
  /** Runs a plugin's command. Throws `ERR_NOT_FOUND`. */
  readonly command: (plugin: string, command: string, input: unknown) => Promise<unknown>
}

const createSchema = z.strictObject({ name: z.string() })
const nothingSchema = z.strictObject({})

/** All routes of the control socket. */
export function adminRoutes(options: AdminRoutesOptions): AdminRoute[] {
  const { publisher, registry, views, status, reload, stop, command } = options
  return [
    { method: 'GET', pattern: '/status', run: status },
    {
      method: 'POST',
      pattern: '/reload',
      run: async (request) => {
        await request.json(nothingSchema)
        return reload()
      },
    },
    {
      method: 'POST',
      pattern: '/stop',
      run: async (request) => {
        await request.json(nothingSchema)
        // After the answer is out: the stop ends this process too.
        request.signal.addEventListener('abort', () => setImmediate(stop), { once: true })
        return {}
      },
    },
    { method: 'GET', pattern: '/sites', run: async () => ({ sites: await views.summaries(), count: views.count }) },
    {
      method: 'POST',
      pattern: '/sites',
      run: async (request) => {
        const { name } = await request.json(createSchema)
        await publisher.create(toSiteName(name))
        using site = await registry.need(toSiteName(name))
        return views.summary(site)
      },
    },
    {
      method: 'GET',
      pattern: '/sites/:name',
      run: async (request) => {
        using site = await registry.need(siteOf(request))
        return views.detail(site)
      },
    },
    {
      method: 'DELETE',
      pattern: '/sites/:name',
      run: async (request) => {
        await publisher.delete(siteOf(request))
      },
    },
    {
      method: 'POST',
      pattern: '/sites/:name/rollback',
      run: async (request) =>
        publisher.rollback(siteOf(request), await request.json(rollbackRequestSchema), request.handle),
    },
    {
      method: 'POST',
      pattern: '/sites/:name/versions',
      run: async (request) =>
        publisher.publish(siteOf(request), await request.json(publishRequestSchema), request.handle),
    },
    { method: 'GET', pattern: '/sites/:name/versions/:version', run: (request) => versionStatus(request, options) },
    { method: 'PUT', pattern: '/blobs/:hash', run: (request) => putBlob(request, publisher) },
    {
      method: 'POST',
      pattern: '/plugins/:plugin/*',
      run: async ({ params, json }) => command(params['plugin'] ?? '', params['*'] ?? '', await json(z.unknown())),
    },
  ]
}

async function versionStatus(request: AdminRequest, { registry, views, outbox }: AdminRoutesOptions): Promise<unknown> {
  using site = await registry.need(siteOf(request))
  const version = versionIn(request.params['version'])
  views.version(site, version) // So that an unknown version is told at once.
  const wait = request.query.get('wait')
  if (wait !== null && wait !== 'purged')
    throw new GroveError('ERR_BAD_REQUEST', 'can wait for "purged" and nothing else')
  if (wait === 'purged') {
    const enough = AbortSignal.any([request.signal, AbortSignal.timeout(limits.admin.waitMs)])
    // When the time is over, the answer says what is still pending.
    await outbox()
      .confirmed(site.name, version, enough)
      .catch(() => undefined)
  }
  return views.version(site, version)
}

async function putBlob(request: AdminRequest, publisher: Publisher): Promise<void> {
  const site = request.query.get('site')
  await publisher.put(contentIn(request).hash, request.body, site === null ? undefined : toSiteName(site))
}

function siteOf({ params }: AdminRequest): SiteName {
  return toSiteName(params['name'] ?? '')
}
