/**
 * A compiled version: what control makes of a tree once, and fronts read. Every rule about a file (type, headers,
 * codings) is decided here, so that a static hit decides nothing.
 *
 * It is derived data: it lies in `<data>/compiled/` and can be made again from the version at any time. It comes in
 * pieces, one for each leaf of the tree, and a head that lists them. A piece knows nothing of its version, so what a
 * publish did not touch is neither compiled nor read again. On disk each is named by the SHA-256 of its text, which has
 * one JSON value per line: a front reads it in small steps between requests, where one large text would stop it for long.
 */

import { z } from 'zod'
import { type BlobHash, blobHashSchema } from './names.ts'

/** A content coding that Grove makes copies in (RFC 9110 section 8.4.1, RFC 7932, RFC 8878). */
export type Coding = 'br' | 'zstd' | 'gzip'

/** All codings, best first: the order in which equal q-values are settled. */
export const codings: readonly Coding[] = ['br', 'zstd', 'gzip']

/** The first line of a head. `pieces` counts the lines that follow, `files` all files in these pieces. */
export const compiledHeadSchema = z.strictObject({
  format: z.literal('grove-compiled-2'),
  site: z.string(),
  version: z.int().positive(),
  files: z.int().nonnegative(),
  pieces: z.int().nonnegative(),
})

/** Every further line of a head: one piece. */
export const compiledPieceSchema: z.ZodType<CompiledPiece> = z.strictObject({
  hash: blobHashSchema,
  first: z.string(),
  files: z.int().positive(),
})

/** The first line of a piece. `files` counts the lines that follow. */
export const pieceHeadSchema = z.strictObject({ format: z.literal('grove-piece-1'), files: z.int().positive() })

/** Every further line of a piece: one file. */
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

/** A piece, as a head names it. */
export interface CompiledPiece {
  /** Of the piece's text. */
  readonly hash: BlobHash
  /** The path of its first file. Pieces, and files in them, are sorted by the keys of a tree. */
  readonly first: string
  /** How many files it has. */
  readonly files: number
}

/** One version of one site, in pieces. */
export interface CompiledVersion {
  readonly site: string
  readonly version: number
  readonly pieces: readonly CompiledPiece[]
}
