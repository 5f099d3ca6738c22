/**
 * Compiling a version: leaf by leaf of its tree. What the version before it has in common with it is used again, so a
 * publish of a few files into a large site compiles and writes a few pieces and a head.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { CodeManifest } from '../core/code-manifest.ts'
import type { CodeRoute } from '../core/code-routes.ts'
import type { CompiledFile, CompiledPiece } from '../core/compiled.ts'
import type { BlobHash, SiteName, VersionNumber } from '../core/names.ts'
import type { TreeFile } from '../store/trees/tree-file.ts'
import { type CompileSettings, compileFiles, settingsKey } from './compile.ts'
import type { CompiledTexts } from './compiled-texts.ts'
import type { VariantSource } from './variants.ts'

/** A leaf of a tree: equal leaves have equal hashes. */
export interface Leaf {
  readonly hash: BlobHash
  /** Sorted by the keys of a tree. */
  readonly files: readonly TreeFile[]
}

/** A leaf in the form that fronts read. */
export interface LivePiece {
  readonly leaf: BlobHash
  /** Undefined when no file of the leaf is served. */
  readonly piece: CompiledPiece | undefined
  /** Files whose copies in other codings are not all made. */
  readonly toEncode: readonly VariantSource[]
}

/** A version in the form that fronts read. It holds its texts until it is let go of. */
export interface LiveVersion {
  readonly version: VersionNumber
  /** Name of its head. */
  readonly compiled: BlobHash
  readonly pieces: readonly LivePiece[]
  /** What it was compiled under; see {@link settingsKey}. */
  readonly key: string
  /** Its own code, as fronts are told of it; undefined where it has none. */
  readonly code: { readonly routes: CodeRoute[] } | undefined
}

/** What a version is compiled from. */
export interface CompileInput extends Omit<CompileSettings, 'hidden'> {
  readonly version: VersionNumber
  /** The manifest of its code. @default it has none */
  readonly code?: CodeManifest | undefined
  readonly leaves: AsyncIterable<Leaf>
  /** Of the same site: what it has already. It holds its texts meanwhile. */
  readonly before: LiveVersion | undefined
  readonly texts: CompiledTexts
}

/** Compiles a version. The caller lets go of its texts. Throws `ERR_PLUGIN` and what leaves throw; then nothing is held. */
export async function compileVersion(input: CompileInput): Promise<LiveVersion> {
  const { site, version, leaves, before, texts, code } = input
  const settings: CompileSettings = { ...input, hidden: code && new Set(code.sources) }
  const key = settingsKey(settings)
  const known = new Map(before?.key === key ? before.pieces.map((piece) => [piece.leaf, piece]) : [])
  const pieces: LivePiece[] = []
  try {
    for await (const leaf of leaves) {
      const same = known.get(leaf.hash)
      // One whose copies were not all there may have more of them now.
      if (same?.toEncode.length === 0) {
        if (same.piece) texts.hold(same.piece.hash)
        pieces.push(same)
      } else {
        pieces.push(await compilePiece(leaf, settings, texts))
        await nextTurn()
      }
    }
    const compiled = await texts.put(headText(site.name, version, pieces))
    return { version, compiled, pieces, key, code: code && { routes: code.routes } }
  } catch (error) {
    await texts.release(hashesOf(pieces))
    throw error
  }
}

/** Names of all texts that a version holds. */
export function textsOf({ compiled, pieces }: LiveVersion): BlobHash[] {
  return [compiled, ...hashesOf(pieces)]
}

/** The files of a version whose copies in other codings are not all made. */
export function toEncode({ pieces }: LiveVersion): VariantSource[] {
  return pieces.flatMap((piece) => piece.toEncode)
}

function hashesOf(pieces: readonly LivePiece[]): BlobHash[] {
  return pieces.flatMap(({ piece }) => piece?.hash ?? [])
}

async function compilePiece(
  { hash: leaf, files }: Leaf,
  settings: CompileSettings,
  texts: CompiledTexts,
): Promise<LivePiece> {
  const compiled = await compileFiles(files, settings)
  const [first] = compiled.files
  if (!first) return { leaf, piece: undefined, toEncode: [] }
  const hash = await texts.put(pieceText(compiled.files))
  return { leaf, piece: { hash, first: first.path, files: compiled.files.length }, toEncode: compiled.toEncode }
}

/** Canonical, as the text of a head is: the same files have one text, whatever the objects' key order. */
function pieceText(files: readonly CompiledFile[]): string {
  return linesOf([{ format: 'grove-piece-1', files: files.length }, ...files.map(lineOf)])
}

function headText(site: SiteName, version: VersionNumber, pieces: readonly LivePiece[]): string {
  const named = pieces.flatMap(({ piece }) => piece ?? [])
  const files = named.reduce((sum, piece) => sum + piece.files, 0)
  const head = { format: 'grove-compiled-2', site, version, files, pieces: named.length }
  return linesOf([head, ...named.map(({ hash, first, files }) => ({ hash, first, files }))])
}

function lineOf({ path, hash, bytes, type, personal, compressible, headers, variants }: CompiledFile): object {
  const copies = variants.map(({ coding, bytes }) => ({ coding, bytes }))
  return { path, hash, bytes, type, personal, compressible, headers, variants: copies }
}

function linesOf(lines: readonly object[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}
