/**
 * What is said over the control socket: plain HTTP/1.1 with JSON bodies, over `<data>/control.sock` (mode 0600). Schemas
 * of the store as a whole are in store-api.ts.
 *
 * | request | answer |
 * |---|---|
 * | `GET /status` | {@link statusSchema} |
 * | `POST /reload` | `{ changed: boolean, generation }` |
 * | `POST /stop` | `{}` |
 * | `GET /sites` | `{ sites: SiteSummary[], count }`, the first thousand by name |
 * | `POST /sites` `{ name }` | {@link siteSummarySchema} |
 * | `GET /sites/<name>` | {@link siteDetailSchema} |
 * | `DELETE /sites/<name>` | `{}` |
 * | `POST /sites/<name>/rollback` {@link rollbackRequestSchema} | {@link publishResultSchema} |
 * | `PUT /blobs/<hash>?site=<name>` bytes | `{}` |
 * | `POST /sites/<name>/uploads` {@link uploadRequestSchema} | {@link uploadSchema}: where to send a large content straight to the bucket |
 * | `POST /sites/<name>/versions` {@link publishRequestSchema} | {@link publishResultSchema} |
 * | `GET /sites/<name>/versions/<n>` | {@link versionStatusSchema}; `?wait=purged` holds the answer until receipts are there, 30 s at most |
 * | `GET /sites/<name>/live` | `{ version? }`: of a site that is not there, nothing |
 * | `GET /sites/<name>/versions/<n>/files` | lines: one {@link publishFileSchema} each |
 * | `GET /sites/<name>/diff?from=<n>&to=<n>` | {@link versionDiffSchema}; without `from` against nothing |
 * | `GET /sites/<name>/pins` | `{ pins: Pin[] }`, {@link pinSchema}; a tag is a pin named `tag:<name>` |
 * | `PUT /sites/<name>/pins/<pin>` `{ version, untilMs? }` | `{}` |
 * | `DELETE /sites/<name>/pins/<pin>` | `{ removed: boolean }` |
 * | `POST /sites/<name>/prune` {@link pruneRequestSchema} | {@link pruneResultSchema} |
 * | `POST /backup` `backupRequestSchema` | lines: `backupLineSchema` |
 * | `POST /store/verify` | lines: `verifyLineSchema` |
 * | `POST /sites/<name>/export` `{ file }` | lines: `exportLineSchema` |
 * | `POST /sites/<name>/import` `{ file }` | lines: `importLineSchema` |
 * | `POST /store/collect` `{ graceMs? }` | lines: `collectLineSchema`; removes what has had no use for so long |
 * | `POST /plugins/<plugin>/<command>` | what the plugin answers |
 *
 * Secrets and output of site code are in core/code-api.ts; grants, tokens and the log of who did what in core/grant-api.ts; a request may carry a token.
 *
 * A failure is `{ error: { code, message, details?, hint? } }` with the status of the code's table. An answer of lines
 * (`application/x-ndjson`) has one JSON text a line; when it fails midway, the last line is such a failure, and when it
 * does not, the last line is `{ "end": true }`.
 */

import { z } from 'zod'
import { certificateCountsSchema } from './cert-api.ts'
import { sandboxesStatusSchema } from './code-api.ts'
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

const publishBase = { opId, message: z.string().max(limits.tree.messageChars).default('') }

/** What a publish says of the site: all of its files, or what changed since a version (0: since there was nothing). */
export const publishRequestSchema = z.union([
  z.strictObject({ ...publishBase, files: z.array(publishFileSchema) }),
  z.strictObject({
    ...publishBase,
    base: z.int().nonnegative(),
    put: z.array(publishFileSchema),
    del: z.array(z.string()),
  }),
])
/** A publish. `opId` makes a retry after a lost answer harmless. */
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
  /** Another publish came between, and this one was put on top of it. */
  rebased: z.boolean().default(false),
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

/** A large content that is to go straight to the bucket. */
export const uploadRequestSchema = z.strictObject({ hash: blobHashSchema, bytes: z.int().nonnegative() })

/** Where to send it: one PUT with exactly these headers, until then. It counts once a publish names it. */
export const uploadSchema = z.object({
  url: z.string(),
  headers: z.record(z.string(), z.string()),
  untilMs: z.number(),
})
/** Where to send a large content. */
export type Upload = z.output<typeof uploadSchema>

/** What differs between two versions: paths, sorted. */
export const versionDiffSchema = z.object({
  from: z.int().optional(),
  to: z.int(),
  added: z.array(z.string()),
  changed: z.array(z.string()),
  removed: z.array(z.string()),
})
/** What differs between two versions. */
export type VersionDiff = z.output<typeof versionDiffSchema>

/** What keeps a version from being pruned. */
export const pinSchema = z.object({ name: z.string(), version: z.int(), untilMs: z.number().optional() })

/** A pin to set. */
export const pinRequestSchema = z.strictObject({ version: z.int().positive(), untilMs: z.int().positive().optional() })

/** Which versions stay beside the live one and the pinned; by default those of the config. `dryRun` only tells. */
export const pruneRequestSchema = z.strictObject({
  versions: z.int().positive().optional(),
  days: z.number().nonnegative().optional(),
  dryRun: z.boolean().default(false),
})
/** What a prune is asked to do. */
export type PruneRequest = z.input<typeof pruneRequestSchema>

/** What a prune did, or would do. */
export const pruneResultSchema = z.object({
  pruned: z.array(z.int()),
  segmentsBefore: z.int().optional(),
  segmentsAfter: z.int().optional(),
})
/** What a prune did, or would do. */
export type PruneResult = z.output<typeof pruneResultSchema>

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
  /** Names of its pins; a tag is `tag:<name>`. */
  pins: z.array(z.string()).default([]),
  /** The grant under which it was published. */
  writer: z.string().optional(),
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
  /** Why nothing more can be said of it now. */
  problem: z.string().optional(),
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
  /** The first of them by name. */
  sites: z.array(siteSummarySchema),
  siteCount: z.int(),
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
  certificates: certificateCountsSchema,
  /** Absent where an older Grove runs. */
  sandboxes: sandboxesStatusSchema.optional(),
})
/** All that `grove status` shows. */
export type Status = z.output<typeof statusSchema>
