/**
 * Files of a version for its own code (`env.ASSETS`): the answer that a visitor would get who takes no coding and asks
 * for no range. Of any version that is there, since the code of an earlier one may still have work under way.
 */

import type { z } from 'zod'
import type { CompiledFile } from '../core/compiled.ts'
import type { Config } from '../core/config.ts'
import { getHeader } from '../core/headers.ts'
import { limits } from '../core/limits.ts'
import { versionLabel } from '../core/names.ts'
import { setNewest } from '../core/newest.ts'
import type { assetReplySchema, SupervisorToControl } from '../core/supervisor-messages.ts'
import type { CodeManifests } from './code-manifests.ts'
import { compileFile, isServed } from './compile.ts'
import type { HeldSite, SiteRegistry } from './site-registry.ts'
import { infoOf, settingsOf } from './site-settings.ts'

/** What files are answered from. */
export interface SiteAssetsOptions {
  readonly registry: Pick<SiteRegistry, 'need' | 'domains'>
  readonly manifests: CodeManifests
  /** The config in force: its sites and plugins decide how a file is compiled. */
  readonly config: () => Config
}

type AssetCall = Extract<SupervisorToControl, { kind: 'asset' }>
type AssetReply = z.output<typeof assetReplySchema>

const indexName = 'index.html'
const notFoundName = '404.html'

/** Makes what answers files. It rejects with `ERR_SITE_UNKNOWN`, `ERR_VERSION_UNKNOWN`, `ERR_BLOB_MISSING`, `ERR_OBJECTS`. */
export function createSiteAssets(options: SiteAssetsOptions): (call: AssetCall) => Promise<AssetReply> {
  const { registry, manifests } = options
  /** Compiled files under the config in force, keyed by site, version and path. */
  let known = new Map<string, CompiledFile | undefined>()
  let knownUnder: Config | undefined

  async function fileAt(site: HeldSite, version: number, path: string): Promise<CompiledFile | undefined> {
    const config = options.config()
    if (knownUnder !== config) known = new Map()
    knownUnder = config
    const key = `${site.name}@${version}/${path}`
    if (known.has(key)) return known.get(key)
    const file = await find(site, version, path, config)
    setNewest(known, key, file, limits.sandboxControl.assets)
    return file
  }

  async function find(
    site: HeldSite,
    version: number,
    path: string,
    config: Config,
  ): Promise<CompiledFile | undefined> {
    if (!isServed(path)) return undefined
    const file = await site.versions.find(version, path)
    if (!file) return undefined
    const manifest = await manifests.of(site, version)
    if (manifest?.sources.includes(path)) return undefined
    return compileFile(file, {
      site: infoOf(config, site.name, registry.domains.of(site.name)),
      hasUpstream: settingsOf(config, site.name).upstreams.length > 0,
      plugins: config.plugins,
    })
  }

  /** The page of the deepest folder that has one, as for visitors. */
  async function notFoundPage(site: HeldSite, version: number, path: string): Promise<CompiledFile | undefined> {
    const folders = path.split('/').slice(0, -1).slice(0, limits.sandboxControl.folders)
    for (let depth = folders.length; depth >= 0; depth--) {
      const page = await fileAt(site, version, [...folders.slice(0, depth), notFoundName].join('/'))
      if (page) return page
    }
    return undefined
  }

  return async ({ site: name, version, url, headers }) => {
    using site = await registry.need(name)
    const label = versionLabel(name, version)
    const path = pathOf(url)
    if (path === undefined) return { status: 400, headers: ['grove-version', label] }
    const isFolder = path === '' || path.endsWith('/')
    const file = await fileAt(site, version, isFolder ? `${path}${indexName}` : path)
    if (file) return answerWith(site, file, label, getHeader(headers, 'if-none-match'))
    if (!isFolder && (await fileAt(site, version, `${path}/${indexName}`))) {
      const location = `/${path.split('/').map(encodeURIComponent).join('/')}/${new URL(url).search}`
      return { status: 308, headers: ['location', location, 'grove-version', label] }
    }
    const page = await notFoundPage(site, version, path)
    return page ? await contentOf(site, page, label, 404) : { status: 404, headers: ['grove-version', label] }
  }
}

/** The path of a URL within a tree, decoded; undefined for what is no path of one. */
function pathOf(url: string): string | undefined {
  try {
    return decodeURIComponent(new URL(url).pathname).slice(1)
  } catch {
    return undefined
  }
}

async function answerWith(
  site: HeldSite,
  file: CompiledFile,
  label: string,
  ifNoneMatch: string | undefined,
): Promise<AssetReply> {
  const etag = etagOf(file.hash)
  if (ifNoneMatch === undefined || !matches(ifNoneMatch, etag)) return contentOf(site, file, label, 200)
  return { status: 304, headers: ['etag', etag, 'grove-version', label, ...file.headers] }
}

async function contentOf(site: HeldSite, file: CompiledFile, label: string, status: number): Promise<AssetReply> {
  const { hash, bytes, type } = file
  await site.versions.ensure(hash)
  return {
    status,
    headers: [
      ...(status === 200 ? ['etag', etagOf(hash)] : []),
      ...['grove-version', label, ...file.headers, 'content-type', type, 'content-length', String(bytes)],
    ],
    content: { hash, bytes },
  }
}

/** The entity tag that fronts give to a content as it is. */
function etagOf(hash: string): string {
  return `"${Buffer.from(hash, 'hex').toString('base64url')}"`
}

/** The weak comparison of RFC 9110 section 8.8.3.2. */
function matches(ifNoneMatch: string, etag: string): boolean {
  return ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || tag.trim().replace(/^W\//, '') === etag)
}
