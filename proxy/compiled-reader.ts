/**
 * Reading a compiled version from disk. Its head and its pieces are named by their hashes, so a front that was told a
 * name gets exactly what control wrote or an error, never a part of it.
 *
 * Files are read, hashed and parsed chunk by chunk, and piece by piece: requests are answered in between, whatever the
 * size of the site.
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import type { z } from 'zod'
import {
  type CompiledFile,
  type CompiledPiece,
  type CompiledVersion,
  compiledFileSchema,
  compiledHeadSchema,
  compiledPieceSchema,
  pieceHeadSchema,
} from '../core/compiled.ts'
import { GroveError } from '../core/errors.ts'
import type { HeaderList } from '../core/headers.ts'
import { compiledFile, type Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash } from '../core/names.ts'
import { keyOf } from '../store/trees/key.ts'
import { type Piece, toPiece } from './piece.ts'

const newline = 0x0a

/**
 * Reads the head of a compiled version. Throws `ERR_NOT_FOUND` when there is none, and `ERR_DATA_FORMAT` when the file
 * is damaged or of another format; then it has to be compiled again.
 */
export async function readHead(layout: Layout, hash: BlobHash): Promise<CompiledVersion> {
  const { head, lines } = await readText(layout, hash, compiledHeadSchema, compiledPieceSchema)
  const { site, version, pieces, files } = head
  const counted = lines.reduce((sum, piece) => sum + piece.files, 0)
  if (pieces !== lines.length || files !== counted) throw damaged(hash, 'pieces are missing')
  for (const [index, { first }] of lines.entries()) {
    const before = lines[index - 1]
    if (before && keyOf(before.first) >= keyOf(first)) throw damaged(hash, 'pieces are not in their order')
  }
  return { site, version, pieces: lines }
}

/** Reads a piece as a head names it. Throws like {@link readHead}. */
export async function readPiece(layout: Layout, { hash, first, files }: CompiledPiece): Promise<Piece> {
  const { head, lines, bytes } = await readText(layout, hash, pieceHeadSchema, compiledFileSchema)
  if (head.files !== lines.length || files !== lines.length) throw damaged(hash, 'files are missing')
  if (lines[0]?.path !== first) throw damaged(hash, `it begins with another file than ${JSON.stringify(first)}`)
  return toPiece(hash, shareEqual(lines), bytes)
}

/** The lines of a text under its name, each checked. */
async function readText<H, L>(
  layout: Layout,
  hash: BlobHash,
  headSchema: z.ZodType<H>,
  lineSchema: z.ZodType<L>,
): Promise<{ readonly head: H; readonly lines: readonly L[]; readonly bytes: number }> {
  const digest = createHash('sha256')
  let bytes = 0
  let head: H | undefined
  const lines: L[] = []
  const take = (chunk: Buffer) => {
    bytes += chunk.length
    digest.update(chunk)
  }
  try {
    for await (const line of linesOf(compiledFile(layout, hash), take)) {
      if (head) lines.push(lineSchema.parse(JSON.parse(line)))
      else head = headSchema.parse(JSON.parse(line))
      if (lines.length > limits.tree.files) throw damaged(hash, `it has more than ${limits.tree.files} lines`)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new GroveError('ERR_NOT_FOUND', `there is no compiled version or piece ${hash}`, { cause: error })
    throw error instanceof GroveError ? error : damaged(hash, 'it cannot be read', error)
  }
  if (digest.digest('hex') !== hash) throw damaged(hash, 'its content has another hash')
  if (!head) throw damaged(hash, 'it is empty')
  return { head, lines, bytes }
}

/** Gives files with equal header lists, or types, one and the same: most files have the same, and a front keeps all. */
function shareEqual(files: readonly CompiledFile[]): CompiledFile[] {
  const lists = new Map<string, HeaderList>()
  const types = new Map<string, string>()
  return files.map((file) => {
    const key = file.headers.join('\n')
    const headers = lists.get(key) ?? file.headers
    lists.set(key, headers)
    const type = types.get(file.type) ?? file.type
    types.set(type, type)
    return { ...file, headers, type }
  })
}

/** The lines of a file. What follows the last newline is not one: the writer ends every line. */
async function* linesOf(file: string, eachChunk: (chunk: Buffer) => void): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    eachChunk(chunk)
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    for (let end = bytes.indexOf(newline); end !== -1; end = bytes.indexOf(newline, start)) {
      yield bytes.toString('utf8', start, end)
      start = end + 1
    }
    rest = bytes.subarray(start)
    if (rest.length > limits.compiled.lineBytes) throw new RangeError('a line is too long')
  }
}

function damaged(hash: BlobHash, reason: string, cause?: unknown): GroveError {
  return new GroveError('ERR_DATA_FORMAT', `compiled version or piece ${hash} is damaged: ${reason}`, { cause })
}
