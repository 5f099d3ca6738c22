/** What the supervisor of sandboxes asks control for: code, contents, data and files of sites, and lines for their logs. */

import type { CodeManifest } from '../core/code-manifest.ts'
import { GroveError } from '../core/errors.ts'
import type { SiteName } from '../core/names.ts'
import type { SandboxLimits } from '../core/sandbox-limits.ts'
import type { SiteCode, SiteLogLine, SupervisorToControl } from '../core/supervisor-messages.ts'
import type { CodeManifests } from './code-manifests.ts'
import type { LocalContents } from './local-contents.ts'
import type { SupervisorAsk } from './sandboxes.ts'
import type { createSiteAssets } from './site-assets.ts'
import type { SiteBags } from './site-bags.ts'
import type { HeldSite, SiteRegistry } from './site-registry.ts'
import type { SiteSecrets } from './site-secrets.ts'

/** Who does what is asked for. */
export interface CodeCallsOptions {
  readonly registry: Pick<SiteRegistry, 'need'>
  readonly manifests: CodeManifests
  readonly secrets: Pick<SiteSecrets, 'read'>
  readonly bags: Pick<SiteBags, 'answer'>
  readonly assets: ReturnType<typeof createSiteAssets>
  readonly contents: Pick<LocalContents, 'bring'>
  /** The limits of a site's tier. */
  readonly limitsOf: (site: SiteName) => SandboxLimits
  /** Whether a site is about to be deleted: its code gets nothing more. */
  readonly isEnding: (site: SiteName) => boolean
  /** Takes lines for sites' logs. */
  readonly output: (lines: readonly SiteLogLine[]) => void
}

type CodeCall = Extract<SupervisorToControl, { kind: 'code' }>
type DataCall = Extract<SupervisorToControl, { kind: 'data' }>

/** Makes what answers the supervisor. */
export function createCodeCalls(options: CodeCallsOptions): (message: SupervisorAsk) => Promise<unknown> {
  const { registry, manifests, isEnding } = options

  async function held(name: SiteName): Promise<HeldSite> {
    if (isEnding(name)) throw new GroveError('ERR_SITE_UNKNOWN', `site "${name}" is being deleted`)
    return registry.need(name)
  }

  async function code({ site: name, version }: CodeCall): Promise<SiteCode> {
    using site = await held(name)
    const manifest = await manifests.of(site, version)
    if (!manifest) throw new GroveError('ERR_NOT_FOUND', `${name}@${version} has no code`)
    const { bundle, wasm } = manifest
    for (const { hash } of [bundle, ...wasm]) await site.versions.ensure(hash)
    return {
      ...siteCode(manifest),
      site: name,
      version,
      secrets: await options.secrets.read(name),
      limits: options.limitsOf(name),
    }
  }

  async function data({ site: name, call, value }: DataCall): Promise<unknown> {
    using site = await held(name)
    const given = value === undefined ? undefined : Buffer.from(value, 'base64')
    const reply = await options.bags.answer(site.name, call, given)
    return { answer: reply.answer, ...(reply.value && { value: Buffer.from(reply.value).toString('base64') }) }
  }

  return async (message) => {
    switch (message.kind) {
      case 'code':
        return code(message)
      case 'content':
        await options.contents.bring(message)
        return {}
      case 'data':
        return data(message)
      case 'asset':
        return options.assets(message)
      case 'log':
        options.output(message.lines)
        return {}
    }
  }
}

function siteCode({
  bundle,
  wasm,
  vars,
  allow,
}: CodeManifest): Pick<SiteCode, 'bundle' | 'wasm' | 'vars' | 'allow' | 'assets' | 'data'> {
  return { bundle, wasm, vars, ...(allow && { allow }), assets: true, data: true }
}
