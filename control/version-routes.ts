/** What can be asked over the control socket about versions: files, differences, pins, pruning, large uploads. */

import {
  type PruneResult,
  pinRequestSchema,
  pruneRequestSchema,
  type Upload,
  uploadRequestSchema,
  type VersionDiff,
} from '../core/admin-api.ts'
import { isMadePath } from '../core/code-manifest.ts'
import type { Config } from '../core/config.ts'
import { GroveError } from '../core/errors.ts'
import { type BlobHash, type SiteName, toSiteName, type VersionNumber } from '../core/names.ts'
import type { TreeFile } from '../store/trees/tree-file.ts'
import type { Keep } from '../store/versions/versions.ts'
import { type AdminRequest, type AdminRoute, Lines } from './admin.ts'
import type { Publisher } from './publish.ts'
import type { HeldSite, SiteRegistry } from './site-registry.ts'

/** What these routes act on. */
export interface VersionRoutesOptions {
  readonly publisher: Pick<Publisher, 'pin' | 'unpin' | 'prune'>
  readonly registry: Pick<SiteRegistry, 'get' | 'need'>
  /** Which versions the config keeps. */
  readonly keep: () => Config['keep']
  /** A right to send a content straight to the bucket. Throws `ERR_BAD_REQUEST` where there is none. */
  readonly presign: (site: SiteName, upload: { readonly hash: BlobHash; readonly bytes: number }) => Promise<Upload>
  readonly now: () => number
}

const dayMs = 86_400_000
const pinPattern = /^[a-z0-9][a-zA-Z0-9:._-]{0,99}$/

/** Routes of versions: see the table in core/admin-api.ts. */
export function versionRoutes(options: VersionRoutesOptions): AdminRoute[] {
  const { publisher, registry, presign } = options
  const nameIn = ({ params }: AdminRequest) => toSiteName(params['name'] ?? '')
  return [
    {
      method: 'GET',
      pattern: '/sites/:name/live',
      run: async (request) => {
        using site = await registry.get(nameIn(request))
        return { version: site?.versions.live?.version }
      },
    },
    {
      method: 'GET',
      pattern: '/sites/:name/versions/:version/files',
      run: async (request) => {
        const version = versionIn(request.params['version'])
        return new Lines(filesOf(await registry.need(nameIn(request)), version))
      },
    },
    { method: 'GET', pattern: '/sites/:name/diff', run: (request) => diff(registry, nameIn(request), request.query) },
    {
      method: 'GET',
      pattern: '/sites/:name/pins',
      run: async (request) => {
        using site = await registry.need(nameIn(request))
        return { pins: site.versions.pins }
      },
    },
    {
      method: 'PUT',
      pattern: '/sites/:name/pins/:pin',
      run: async (request) => {
        const { version, untilMs } = await request.json(pinRequestSchema)
        if (untilMs !== undefined && untilMs <= options.now())
          throw new GroveError('ERR_BAD_REQUEST', `a pin cannot end in the past: ${new Date(untilMs).toISOString()}`)
        await publisher.pin(nameIn(request), { name: pinOf(request), version, untilMs }, request.handle)
      },
    },
    {
      method: 'DELETE',
      pattern: '/sites/:name/pins/:pin',
      run: async (request) => ({ removed: await publisher.unpin(nameIn(request), pinOf(request), request.handle) }),
    },
    { method: 'POST', pattern: '/sites/:name/prune', run: (request) => prune(nameIn(request), request, options) },
    {
      method: 'POST',
      pattern: '/sites/:name/uploads',
      run: async (request) => {
        // What is sent for a site that is not there would lie in the bucket for ever.
        using site = await registry.need(nameIn(request))
        return await presign(site.name, await request.json(uploadRequestSchema))
      },
    },
  ]
}

/** A version's number from a target. Throws `ERR_BAD_REQUEST`. */
export function versionIn(text: string | undefined | null): VersionNumber {
  if (text && /^[1-9][0-9]{0,14}$/.test(text)) return Number(text)
  throw new GroveError('ERR_BAD_REQUEST', 'a version is a number from 1')
}

function pinOf({ params }: AdminRequest): string {
  const pin = params['pin'] ?? ''
  if (pinPattern.test(pin)) return pin
  throw new GroveError('ERR_BAD_REQUEST', `${JSON.stringify(pin.slice(0, 120))} is not a name of a pin`, {
    hint: 'use 1 to 100 letters, digits, dots, dashes, underscores and colons, the first a small letter or a digit',
  })
}

/** Those that publishers know of. Lets go of the site at the end, also when nobody reads that far. */
async function* filesOf(held: HeldSite, version: VersionNumber): AsyncGenerator<TreeFile> {
  using site = held
  for await (const { path, hash, bytes } of site.versions.files(version))
    if (!isMadePath(path)) yield { path, hash, bytes }
}

async function diff(
  registry: VersionRoutesOptions['registry'],
  name: SiteName,
  query: URLSearchParams,
): Promise<VersionDiff> {
  const from = query.has('from') ? versionIn(query.get('from')) : undefined
  const to = versionIn(query.get('to'))
  using site = await registry.need(name)
  const { added, changed, removed } = await site.versions.diff(from, to)
  const paths = (files: readonly TreeFile[]) => files.map(({ path }) => path).filter((path) => !isMadePath(path))
  return { ...(from && { from }), to, added: paths(added), changed: paths(changed), removed: paths(removed) }
}

async function prune(name: SiteName, request: AdminRequest, options: VersionRoutesOptions): Promise<PruneResult> {
  const { dryRun, versions, days } = await request.json(pruneRequestSchema)
  const config = options.keep()
  const keep: Keep = { versions: versions ?? config.versions, ms: (days ?? config.days) * dayMs }
  if (dryRun) {
    using site = await options.registry.need(name)
    return { pruned: site.versions.prunable(keep, options.now()) }
  }
  const { pruned, segmentsBefore, segmentsAfter } = await options.publisher.prune(name, keep, request.handle)
  return { pruned: [...pruned], segmentsBefore, segmentsAfter }
}
