/** What is said over the control socket about the store as a whole; see the table in admin-api.ts. */

import { z } from 'zod'

/** How far something long is: one line of its answer. */
export const progressSchema = z.object({ what: z.string(), objects: z.int(), bytes: z.number() })

/** What `POST /backup` is asked: where to, and whether a bucket's objects come too. */
export const backupRequestSchema = z.strictObject({
  folder: z.string().min(1),
  withContents: z.boolean().default(false),
})

/** What a backup came to. */
export const backupResultSchema = z.object({
  folder: z.string(),
  objects: z.int(),
  bytes: z.number(),
  /** The objects stay in the bucket, and are not part of the backup. */
  inBucket: z.boolean(),
  /** Where accounts at CAs, certificates and keys lie, when that is not in the data folder: then they are not part of it. */
  vaultElsewhere: z.string().optional(),
})
/** What a backup came to. */
export type BackupResult = z.output<typeof backupResultSchema>

/** A line of a backup's answer. */
export const backupLineSchema = z.union([
  z.object({ progress: progressSchema }),
  z.object({ result: backupResultSchema }),
])

/** What a verification found. */
export const verifyResultSchema = z.object({
  /** Of everything that was looked at, by kind. */
  counts: z.record(z.string(), z.number()),
  /** The first ones. */
  faults: z.array(z.object({ where: z.string(), code: z.string(), problem: z.string(), hint: z.string() })),
  faultCount: z.int(),
})
/** What a verification found. */
export type VerifyResult = z.output<typeof verifyResultSchema>

/** A line of a verification's answer. */
export const verifyLineSchema = z.union([
  z.object({ progress: progressSchema }),
  z.object({ result: verifyResultSchema }),
])

/** The file of an export, for the machine on which Grove runs. */
export const transferRequestSchema = z.strictObject({ file: z.string().min(1) })

/** A line of an export's answer. */
export const exportLineSchema = z.union([
  z.object({ progress: progressSchema }),
  z.object({ result: z.object({ file: z.string(), bytes: z.number() }) }),
])

/** A line of an import's answer. */
export const importLineSchema = z.union([
  z.object({ progress: progressSchema }),
  z.object({
    result: z.object({
      /** The name that the site had. */
      from: z.string(),
      versions: z.array(z.int()),
      live: z.int().optional(),
      contents: z.int(),
    }),
  }),
])

/** What a collection is asked: how long something must have had no use, instead of a day. */
export const collectRequestSchema = z.strictObject({ graceMs: z.int().nonnegative().optional() })

/** What a collection did. */
export const collectedSchema = z.object({
  /** Objects that were looked at. */
  objects: z.int(),
  /** Those without a use, which are removed when they are found so again. */
  waiting: z.int(),
  removed: z.int(),
  removedBytes: z.number(),
  /** Contents that were sent and not published in a day. */
  uploads: z.int(),
  /** Checkpoints in a bucket that were written anew. */
  roots: z.int(),
})
/** What a collection did. */
export type CollectedResult = z.output<typeof collectedSchema>

/** A line of a collection's answer. */
export const collectLineSchema = z.union([
  z.object({ progress: progressSchema }),
  z.object({ result: collectedSchema }),
])
