/** What control does for site code, put together. */

import type { Logger } from 'pino'
import type { Config } from '../core/config.ts'
import type { SiteName } from '../core/names.ts'
import { limitsOfTier } from '../core/sandbox-config.ts'
import type { SandboxLimits } from '../core/sandbox-limits.ts'
import { createCodeCalls } from './code-calls.ts'
import { type CodeManifests, createCodeManifests } from './code-manifests.ts'
import type { CodeTools } from './code-tools.ts'
import type { HostParts } from './host-parts.ts'
import type { LocalContents } from './local-contents.ts'
import { createMappedOutput } from './mapped-output.ts'
import { Sandboxes } from './sandboxes.ts'
import { createSiteAssets } from './site-assets.ts'
import type { SiteCodeOptions } from './site-code.ts'
import { settingsOf } from './site-settings.ts'

/** What site code needs of control. */
export interface CodeParts {
  readonly manifests: CodeManifests
  readonly sandboxes: Sandboxes
  /** The limits of a site's tier, by the config in force. */
  readonly limitsOf: (site: SiteName) => SandboxLimits
  /** How code is published; undefined where control was given no tools. */
  readonly publishing: SiteCodeOptions | undefined
  /** Tells the supervisor of sites whose limits are others under the next config. Never rejects. */
  limitsChanged(before: Config, after: Config): Promise<void>
}

/** What the parts are made with. */
export interface CodePartsOptions {
  readonly host: HostParts
  readonly contents: Pick<LocalContents, 'bring'>
  /** The config in force. */
  readonly config: () => Config
  readonly tools: CodeTools | undefined
  readonly log: Logger
}

/** Puts the parts together. Nothing listens yet. */
export function createCodeParts({ host, contents, config, tools, log }: CodePartsOptions): CodeParts {
  const { registry, blobs, layout, bags, secrets, output, ending } = host
  const manifests = createCodeManifests({ blobs, log })
  const limitsOf = (site: SiteName) => siteLimits(config(), site)
  const asked = createCodeCalls({
    registry,
    manifests,
    secrets,
    bags,
    assets: createSiteAssets({ registry, manifests, config }),
    contents,
    limitsOf,
    isEnding: (site) => ending.has(site),
    output: createMappedOutput({ registry, manifests, blobs, output, createStackMap: tools?.createStackMap, log }),
  })
  const sandboxes = new Sandboxes({ socket: layout.sandboxSocket, asked, log })
  return {
    manifests,
    sandboxes,
    limitsOf,
    publishing: tools && { compile: tools.compile, blobs, limitsOf },
    async limitsChanged(before, after) {
      const { status } = await sandboxes.state()
      const sites = new Set(status?.processes.flatMap(({ site }) => site ?? []))
      for (const site of sites)
        if (JSON.stringify(siteLimits(before, site)) !== JSON.stringify(siteLimits(after, site)))
          sandboxes.changed(site)
    },
  }
}

function siteLimits(config: Config, site: SiteName): SandboxLimits {
  return limitsOfTier(config.sandbox, settingsOf(config, site).tier)
}
