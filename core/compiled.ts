/**
 * A compiled version: what control makes of a tree once, and fronts read. Every rule about a file (type, headers,
 * codings) is decided here, so that a static hit decides nothing.
 *
 * It is derived data: it lies in `<data>/compiled/` and can be made again from the version at any time. On disk it is
 * one JSON text per line, a {@link compiledHeadSchema} and then a {@link compiledFileSchema} for each file: a front
 * reads the version of a large site in small steps between requests, where one large text would stop it for long.
 */

import { z } from 'zod'
import { blobHashSchema } from './names.ts'

/** A content coding that Grove makes copies in (RFC 9110 section 8.4.1, RFC 7932, RFC 8878). */
export type Coding = 'br' | 'zstd' | 'gzip'

/** All codings, best first: the order in which equal q-values are settled. */
export const codings: readonly Coding[] = ['br', 'zstd', 'gzip']

/** The first line on disk. `files` counts the lines that follow. */
export const compiledHeadSchema = z.strictObject({
  format: z.literal('grove-compiled-1'),
  site: z.string(),
  version: z.int().positive(),
  files: z.int().nonnegative(),
})

/** Every further line on disk: one file. */
export const compiledFileSchema: z.ZodType<CompiledFile> = z.strictObject({
  path: z.string(),
  hash: blobHashSchema,
  bytes: z.int().nonnegative(),
  type: z.string(),
  personal: z.boolean(),
  compressible: z.boolean(),
  headers: z.array(z.string()),
  variants: z.array(z.strictObject({ coding: z.enum(['br', 'zstd', 'gzip']), bytes: z.int().positive() })),
})

/** One file with all that is decided about it. */
export interface CompiledFile {
  /** Path in the tree, no leading `/`. */
  readonly path: string
  readonly hash: string
  readonly bytes: number
  /** Media type with charset, the value of Content-Type. */
  readonly type: string
  readonly personal: boolean
  /** Whether copies in other codings exist or may come: the answer varies by Accept-Encoding. */
  readonly compressible: boolean
  /** Further headers (Cache-Control, Vary, those of plugins): flat, lower-case names. */
  readonly headers: readonly string[]
  /** Copies that exist, in the order of {@link codings}. */
  readonly variants: readonly { readonly coding: Coding; readonly bytes: number }[]
}

/** All files of one version of one site, sorted by path. */
export interface CompiledVersion {
  readonly site: string
  readonly version: number
  readonly files: readonly CompiledFile[]
}
