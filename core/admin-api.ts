/**
 * What is said over the control socket: plain HTTP/1.1 with JSON bodies, over `<data>/control.sock` (mode 0600).
 *
 * | request | answer |
 * |---|---|
 * | `GET /status` | {@link statusSchema} |
 * | `POST /reload` | `{ changed: boolean, generation }` |
 * | `POST /stop` | `{}` |
 * | `GET /sites` | `{ sites: SiteSummary[] }` |
 * | `POST /sites` `{ name }` | {@link siteSummarySchema} |
 * | `GET /sites/<name>` | {@link siteDetailSchema} |
 * | `DELETE /sites/<name>` | `{}` |
 * | `POST /sites/<name>/rollback` {@link rollbackRequestSchema} | {@link publishResultSchema} |
 * | `POST /blobs/missing` `{ hashes }` | `{ missing }` |
 * | `PUT /blobs/<hash>` bytes | `{}` |
 * | `POST /sites/<name>/versions` {@link publishRequestSchema} | {@link publishResultSchema} |
 * | `GET /sites/<name>/versions/<n>` | {@link versionStatusSchema}; `?wait=purged` holds the answer until receipts are there, 30 s at most |
 * | `POST /plugins/<plugin>/<command>` | what the plugin answers |
 *
 * A failure is `{ error: { code, message, details?, hint? } }` with the status of the code's table.
 */

import { z } from 'zod'
import { limits } from './limits.ts'
import { frontStatsSchema, processInfoSchema } from './messages.ts'
import { blobHashSchema } from './names.ts'

const opId = z.string().min(limits.store.opIdMinChars).max(limits.store.opIdMaxChars)

/** A file of a publish: where it is in the tree, and its content by hash. */
export const publishFileSchema = z.strictObject({
  path: z.string(),
  hash: blobHashSchema,
  bytes: z.int().nonnegative(),
})
/** A file of a publish. */
export type PublishFile = z.output<typeof publishFileSchema>

/** A whole tree to publish. `opId` makes a retry after a lost answer harmless. */
export const publishRequestSchema = z.strictObject({
  opId,
  message: z.string().max(limits.tree.messageChars).default(''),
  files: z.array(publishFileSchema),
})
/** A whole tree to publish. */
export type PublishRequest = z.output<typeof publishRequestSchema>

/** Which version to make live: by default the one before the live one. `opId` makes a retry after a lost answer harmless. */
export const rollbackRequestSchema = z.strictObject({
  version: z.int().positive().optional(),
  opId: opId.optional(),
})
/** Which version to make live. */
export type RollbackRequest = z.output<typeof rollbackRequestSchema>

/** What a publish or a rollback did. `missing` is not empty when contents have to be sent first; nothing happened then. */
export const publishResultSchema = z.object({
  missing: z.array(blobHashSchema),
  version: z.int().optional(),
  /** The tree was equal to the live one: no new version was made. */
  unchanged: z.boolean().default(false),
  added: z.int().default(0),
  changed: z.int().default(0),
  removed: z.int().default(0),
  urls: z.array(z.string()).default([]),
  /** Fronts that serve it, of those that are connected. */
  fronts: z.object({ live: z.int(), connected: z.int() }).optional(),
  /** Names of plugins whose receipts will follow. */
  awaiting: z.array(z.string()).default([]),
  /** Things the publisher should know: files that are not served. */
  notes: z.array(z.string()).default([]),
})
/** What a publish or a rollback did. */
export type PublishResult = z.output<typeof publishResultSchema>

/** A receipt as kept: what a plugin said, and when. */
export const keptReceiptSchema = z.object({
  plugin: z.string(),
  action: z.string(),
  atMs: z.number(),
  details: z.record(z.string(), z.unknown()).optional(),
})

/** The life of one version. Times are absent until it has happened. */
export const versionStatusSchema = z.object({
  version: z.int(),
  message: z.string(),
  files: z.int(),
  bytes: z.int(),
  added: z.int(),
  changed: z.int(),
  removed: z.int(),
  committedAtMs: z.number(),
  /** When every connected front served it. */
  liveAtMs: z.number().optional(),
  /** Whether all copies in other codings are made. */
  encoded: z.boolean(),
  live: z.boolean(),
  receipts: z.array(keptReceiptSchema),
  /** Plugins that have not confirmed yet, with the last error. */
  pending: z.array(z.object({ plugin: z.string(), attempts: z.int(), error: z.string().optional() })),
})
/** The life of one version. */
export type VersionStatus = z.output<typeof versionStatusSchema>

/** A site in a list. */
export const siteSummarySchema = z.object({
  name: z.string(),
  urls: z.array(z.string()),
  live: z.int().optional(),
  versions: z.int(),
  upstreams: z.array(z.string()),
  /** Where the site was made: in the config, or by a command. */
  from: z.enum(['config', 'command']),
})
/** A site in a list. */
export type SiteSummary = z.output<typeof siteSummarySchema>

/** A site with its versions, newest first. */
export const siteDetailSchema = siteSummarySchema.extend({ history: z.array(versionStatusSchema) })
/** A site with its versions, newest first. */
export type SiteDetail = z.output<typeof siteDetailSchema>

/** All that `grove status` shows. */
export const statusSchema = z.object({
  data: z.string(),
  config: z.string().optional(),
  generation: z.int(),
  startedAtMs: z.number(),
  processes: z.array(processInfoSchema),
  fronts: z.array(frontStatsSchema),
  sites: z.array(siteSummarySchema),
  plugins: z.array(z.string()),
  /** What plugins have not confirmed: publishes of a site, or usage of all sites. */
  outbox: z.array(
    z.object({
      plugin: z.string(),
      /** Absent for usage. */
      site: z.string().optional(),
      /** When the oldest usage that is not confirmed began to be counted; absent for publishes. */
      usageFromMs: z.number().optional(),
      versions: z.array(z.int()),
      attempts: z.int(),
      error: z.string().optional(),
    }),
  ),
  listen: z.array(z.object({ name: z.string(), port: z.int() })),
})
/** All that `grove status` shows. */
export type Status = z.output<typeof statusSchema>
