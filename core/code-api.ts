/**
 * What is said over the control socket about site code:
 *
 * | request | answer |
 * |---|---|
 * | `GET /sites/<name>/secrets` | `{ secrets }`, {@link secretInfoSchema} each: never a value |
 * | `PUT /sites/<name>/secrets/<secret>` {@link secretRequestSchema} | `{}` |
 * | `DELETE /sites/<name>/secrets/<secret>` | `{ removed: boolean }` |
 * | `GET /sites/<name>/output?lines=<n>&follow=1&requests=1` | lines: {@link outputLineSchema}, the oldest first; with `follow` without end, with `requests` also one for each request |
 * | `POST /sites/<name>/release` | `{}`: lets the code run again that rests after crashes |
 */

import { z } from 'zod'
import { limits } from './limits.ts'
import { capabilitySchema, quarantineSchema, siteLogLineSchema, tenantInfoSchema } from './supervisor-messages.ts'

/** What can be told of a secret. */
export const secretInfoSchema = z.object({
  name: z.string(),
  /** Where its value is put in; none: the code itself gets it. */
  hosts: z.array(z.string()),
  setAtMs: z.number(),
})
/** What can be told of a secret. */
export type SecretInfo = z.output<typeof secretInfoSchema>

/** A secret to set. */
export const secretRequestSchema = z.strictObject({
  value: z.string(),
  hosts: z.array(z.string().min(1).max(256)).max(limits.siteSecret.hosts).default([]),
})

/** A line of a site's output; or a sign that there is none, so that the connection is known to be alive. */
export const outputLineSchema = z.union([siteLogLineSchema, z.strictObject({ beat: z.literal(true) })])

/** What `grove status` tells of sandboxes. */
export const sandboxesStatusSchema = z.object({
  enabled: z.boolean(),
  /** Whether the supervisor answers. */
  running: z.boolean(),
  /** What confines processes of site code on this machine, and what does not. */
  capabilities: z.array(capabilitySchema),
  processes: z.array(tenantInfoSchema),
  quarantined: z.array(quarantineSchema),
})
/** What `grove status` tells of sandboxes. */
export type SandboxesStatus = z.output<typeof sandboxesStatusSchema>
