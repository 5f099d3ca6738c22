/** What can be asked over the control socket about site code: secrets, and what it says. See core/code-api.ts. */

import { secretRequestSchema } from '../core/code-api.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type SiteName, toSiteName } from '../core/names.ts'
import type { SandboxLimits } from '../core/sandbox-limits.ts'
import type { SiteLogLine } from '../core/supervisor-messages.ts'
import { type AdminRequest, type AdminRoute, Lines } from './admin.ts'
import type { CodeTools } from './code-tools.ts'
import type { Sandboxes } from './sandboxes.ts'
import type { SiteOutput } from './site-output.ts'
import type { SiteRegistry } from './site-registry.ts'
import type { SiteSecrets } from './site-secrets.ts'

/** What these routes act on. */
export interface CodeRoutesOptions {
  readonly registry: Pick<SiteRegistry, 'need' | 'serves'>
  readonly secrets: Pick<SiteSecrets, 'set' | 'remove' | 'list'>
  readonly output: Pick<SiteOutput, 'read' | 'follow'>
  readonly sandboxes: Pick<Sandboxes, 'changed' | 'release'>
  /** The limits of a site's tier. */
  readonly limitsOf: (site: SiteName) => SandboxLimits
  readonly checkHosts: CodeTools['checkHosts'] | undefined
}

/** Routes of site code. */
export function codeRoutes(options: CodeRoutesOptions): AdminRoute[] {
  const { registry, secrets, output, sandboxes, limitsOf, checkHosts } = options
  const served = async ({ params }: AdminRequest): Promise<SiteName> => {
    using site = await registry.need(toSiteName(params['name'] ?? ''))
    return site.name
  }
  return [
    {
      method: 'GET',
      pattern: '/sites/:name/secrets',
      run: async (request) => ({ secrets: await secrets.list(await served(request)) }),
    },
    {
      method: 'PUT',
      pattern: '/sites/:name/secrets/:secret',
      run: async (request) => {
        const site = await served(request)
        const { value, hosts } = await request.json(secretRequestSchema)
        checkHosts?.(hosts)
        await secrets.set(site, { name: request.params['secret'] ?? '', value, hosts }, limitsOf(site))
        sandboxes.changed(site)
      },
    },
    {
      method: 'DELETE',
      pattern: '/sites/:name/secrets/:secret',
      run: async (request) => {
        const site = await served(request)
        const removed = await secrets.remove(site, request.params['secret'] ?? '')
        if (removed) sandboxes.changed(site)
        return { removed }
      },
    },
    {
      method: 'GET',
      pattern: '/sites/:name/output',
      run: async (request) => {
        const site = await served(request)
        const most = countIn(request.query.get('lines'))
        const isFollowed = request.query.get('follow') === '1'
        return new Lines(linesOf(output, site, request, { most, isFollowed }), { live: isFollowed })
      },
    },
    {
      method: 'POST',
      pattern: '/sites/:name/release',
      run: async (request) => {
        await sandboxes.release(await served(request))
      },
    },
  ]
}

/** Those of before, and with `isFollowed` those that come; none is missed between, and none is told twice. */
async function* linesOf(
  output: CodeRoutesOptions['output'],
  site: SiteName,
  { query, signal }: AdminRequest,
  { most, isFollowed }: { readonly most: number; readonly isFollowed: boolean },
): AsyncGenerator<SiteLogLine | { readonly beat: true }> {
  const isWanted = query.get('requests') === '1' ? () => true : ({ usage }: SiteLogLine) => usage === undefined
  if (!isFollowed) {
    yield* await output.read(site, most, isWanted)
    return
  }
  const coming = output.follow(site, signal)
  // It follows from the first step on.
  const first = coming.next()
  yield* await output.read(site, most, isWanted)
  for (let step = await first; !step.done; step = await coming.next()) {
    if (!step.value) yield { beat: true }
    else if (isWanted(step.value)) yield step.value
  }
}

function countIn(text: string | null): number {
  if (text === null) return limits.siteOutput.linesDefault
  const count = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (count <= limits.siteOutput.linesListed) return count
  throw new GroveError('ERR_BAD_REQUEST', `lines is a whole number up to ${limits.siteOutput.linesListed}`)
}
