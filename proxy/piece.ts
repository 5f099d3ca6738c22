/** A piece of a compiled version in memory: some files that are neighbours in the tree. */

import type { CompiledFile } from '../core/compiled.ts'
import type { BlobHash } from '../core/names.ts'
import { keyOf, type TreeKey } from '../store/trees/key.ts'

/** A piece. It belongs to no version: versions that have it in common share it. */
export interface Piece {
  readonly hash: BlobHash
  /** The key of its first file: keys of all others are greater, and less than that of the piece after it. */
  readonly key: TreeKey
  /** Keyed by path. */
  readonly files: ReadonlyMap<string, CompiledFile>
  /** Those that are called `404.html`, keyed by the folder as a URL path: `/`, `/docs/`. */
  readonly notFoundPages: ReadonlyMap<string, CompiledFile>
  /** What it takes in memory, about. */
  readonly bytes: number
}

const notFoundName = '404.html'

/** What a file takes in memory beside its text: objects, the map's share, strings that are kept in two bytes a character. */
const fileBytes = 400

/** The piece of some files, at least one, in their order. `textBytes` is the length of their text on disk. */
export function toPiece(hash: BlobHash, files: readonly CompiledFile[], textBytes: number): Piece {
  const notFoundPages = new Map<string, CompiledFile>()
  for (const file of files) {
    const path = `/${file.path}`
    if (path.endsWith(`/${notFoundName}`)) notFoundPages.set(path.slice(0, -notFoundName.length), file)
  }
  return {
    hash,
    key: keyOf(files[0]?.path ?? ''),
    files: new Map(files.map((file) => [file.path, file])),
    notFoundPages,
    bytes: textBytes + files.length * fileBytes,
  }
}

/** A file by its path, in pieces that are sorted by key. */
export function findInPieces(pieces: readonly Piece[], path: string): CompiledFile | undefined {
  if (pieces.length === 1) return pieces[0]?.files.get(path)
  const key = keyOf(path)
  let low = 0
  let high = pieces.length
  // The last piece that begins at the key or before it.
  while (low < high) {
    const middle = (low + high) >>> 1
    const piece = pieces[middle]
    if (piece !== undefined && piece.key <= key) low = middle + 1
    else high = middle
  }
  return pieces[low - 1]?.files.get(path)
}
