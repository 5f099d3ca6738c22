/** How the parent starts the supervisor of sandboxes, and what the two say to each other. */

import { z } from 'zod'

/** How the supervisor of sandboxes is started. */
export const supervisorSettingsSchema = z.object({
  logLevel: z.enum(['silent', 'error', 'warn', 'info', 'debug']),
  /** Processes for site code at one time, and how many of them wait for a site. */
  processes: z.int(),
  spares: z.int(),
  /** The first of the accounts that they get; absent where Grove finds some. */
  firstUid: z.int().optional(),
  /** A control group that Grove was given, or `off`. */
  group: z.string().optional(),
  /** Ports beside 80 and 443 that sites may be allowed, and networks that none may reach. */
  ports: z.array(z.int()),
  denied: z.array(z.string()),
  /** Where this Grove's own sites are, so that one can fetch another: `<name>.<domain>`, at a port of an address. */
  own: z.object({ domain: z.string(), address: z.string(), port: z.int() }),
})
/** How the supervisor of sandboxes is started. */
export type SupervisorSettings = z.output<typeof supervisorSettingsSchema>

/** Parent to the supervisor of sandboxes. */
export const parentToSupervisorSchema = z.discriminatedUnion('kind', [
  /** End all processes, and exit 0. */
  z.object({ kind: z.literal('stop') }),
])
/** Parent to the supervisor of sandboxes. */
export type ParentToSupervisor = z.output<typeof parentToSupervisorSchema>

/** The supervisor of sandboxes to parent. */
export const supervisorToParentSchema = z.discriminatedUnion('kind', [
  /** It takes requests of fronts, or has said why it never will. */
  z.object({ kind: z.literal('ready') }),
])
/** The supervisor of sandboxes to parent. */
export type SupervisorToParent = z.output<typeof supervisorToParentSchema>
