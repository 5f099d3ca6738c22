/** The parts of the config that say what site code may use. */

import { z } from 'zod'
import { codeLimits } from './code-limits.ts'
import type { ConfigFault } from './config-faults.ts'
import { matching } from './config-values.ts'
import { type SandboxLimits, type SandboxTier, sandboxLimitsOf } from './sandbox-limits.ts'
import { sandboxTierSchema } from './sandbox-limits-schema.ts'
import { sandboxProcessLimits } from './sandbox-process-limits.ts'

const { processes, spares } = sandboxProcessLimits.sandboxProcess

const tierName = matching(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a name of a tier: 1 to 63 of a-z, 0-9 and -')

/** The key `sandbox` of the config. */
export const sandboxSchema = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .describe('Whether code of sites runs. false: sites with code serve their files, and nothing else.'),
    processes: z
      .int()
      .min(1)
      .max(10_000)
      .default(processes)
      .describe('Processes for site code at one time, each for one site.'),
    spares: z
      .int()
      .min(0)
      .max(100)
      .default(spares)
      .describe('Processes that wait for a site, so that its first visitor does not wait for one to start.'),
    firstUid: z
      .int()
      .min(1_000)
      .max(2_147_000_000)
      .optional()
      .describe(
        'First of the accounts (user ids) that processes of site code run as, when Grove runs as root. Nothing may belong to any of them. Default: numbers that no system gives out.',
      ),
    group: z
      .string()
      .min(1)
      .max(4_096)
      .optional()
      .describe(
        'Control group that Grove may put processes of site code into; `off` for none. Default: what it finds.',
      ),
    ports: z
      .array(z.int().min(1).max(65_535))
      .max(codeLimits.egress.ports)
      .default([])
      .describe('Ports beside 80 and 443 that site code may reach, where the site names them in `allow`.'),
    denied: z
      .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
      .max(codeLimits.egress.networks)
      .default([])
      .describe(
        'Addresses and networks that site code may not reach, beside all that are not public: your own public ones.',
      ),
    tiers: z
      .record(tierName, sandboxTierSchema)
      .default({})
      .describe(
        'Limits of site code, by name of a tier; what a tier leaves out has its default. `default` is for sites that name none. See docs/site-code.md.',
      ),
  })
  .prefault({})
  .describe('Code of sites, which runs in sandboxes. See docs/site-code.md.')

/** The key `tier` of a site. */
export const siteTierSchema = tierName
  .optional()
  .describe("Tier of `sandbox.tiers` whose limits the site's code has. Default: `default`.")

/** The part of the config that is about sandboxes, checked. */
export type SandboxConfig = z.output<typeof sandboxSchema>

/** The tier of sites that name none. */
export const defaultTier = 'default'

/** The limits of a tier. One that is not there, of a site that is not in the config any more, is the default one. */
export function limitsOfTier({ tiers }: Pick<SandboxConfig, 'tiers'>, tier: string = defaultTier): SandboxLimits {
  const named: SandboxTier | undefined = Object.hasOwn(tiers, tier) ? tiers[tier] : undefined
  return sandboxLimitsOf(named ?? {})
}

/** Sites of a tier that is not there. */
export function tierFaults(
  { tiers }: SandboxConfig,
  sites: Readonly<Record<string, { readonly tier?: string | undefined }>>,
): ConfigFault[] {
  const names = [...new Set([defaultTier, ...Object.keys(tiers)])].sort().join(', ')
  return Object.entries(sites).flatMap(([site, { tier }]) => {
    if (tier === undefined || tier === defaultTier || Object.hasOwn(tiers, tier)) return []
    return [{ path: `sites.${site}.tier`, expected: `a tier of sandbox.tiers (${names})`, found: JSON.stringify(tier) }]
  })
}
