/** The schemas of the bounds of site code, see sandbox-limits.ts. */

import { z } from 'zod'
import { type SandboxBound, type SandboxLimits, type SandboxTier, sandboxBounds } from './sandbox-limits.ts'

const names = Object.keys(sandboxBounds) as SandboxBound[]

/** Numbers of a tier as a config writes them: whole, 1 to the most of each bound; what it leaves out is the default. */
export const sandboxTierSchema: z.ZodType<SandboxTier> = z.strictObject(
  Object.fromEntries(names.map((name) => [name, z.int().min(1).max(sandboxBounds[name].most).optional()])) as Record<
    SandboxBound,
    z.ZodOptional<z.ZodInt>
  >,
)

/** All numbers of a tier, as they cross a channel. */
export const sandboxLimitsSchema: z.ZodType<SandboxLimits> = z.strictObject(
  Object.fromEntries(names.map((name) => [name, z.int().min(1).max(sandboxBounds[name].most)])) as Record<
    SandboxBound,
    z.ZodInt
  >,
)
