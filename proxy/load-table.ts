/** Loading a compiled version into memory: only the pieces that are not there from the version before. */

import type { Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash } from '../core/names.ts'
import { forEachParallel } from '../core/parallel.ts'
import { readHead, readPiece } from './compiled-reader.ts'
import type { Piece } from './piece.ts'
import { buildTable, type StaticTable } from './table.ts'

/**
 * The table of the compiled version with this head. Pieces that `before` has are taken from it. `grown` is told of
 * memory that it takes later. Throws `ERR_NOT_FOUND`,
 * `ERR_DATA_FORMAT`; then it has to be compiled again.
 */
export async function loadTable(
  layout: Layout,
  head: BlobHash,
  before: StaticTable | undefined,
  grown?: (bytes: number) => void,
): Promise<StaticTable> {
  const version = await readHead(layout, head)
  const known = new Map(before?.pieces.map((piece) => [piece.hash, piece]))
  const pieces: Piece[] = []
  await forEachParallel(version.pieces.entries(), limits.front.pieceReads, async ([index, wanted]) => {
    pieces[index] = known.get(wanted.hash) ?? (await readPiece(layout, wanted))
  })
  return buildTable(version, pieces, grown)
}
