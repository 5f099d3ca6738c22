/**
 * Reading a compiled version from disk. It is named by its hash, so a front that was told a name gets exactly what
 * control wrote or an error, never a part of it.
 *
 * The file is read, hashed and parsed chunk by chunk: requests are answered in between, whatever the size of the site.
 */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type CompiledFile, type CompiledVersion, compiledFileSchema, compiledHeadSchema } from '../core/compiled.ts'
import { GroveError } from '../core/errors.ts'
import type { HeaderList } from '../core/headers.ts'
import { compiledFile, type Layout } from '../core/layout.ts'
import { limits } from '../core/limits.ts'
import type { BlobHash } from '../core/names.ts'

const newline = 0x0a

/**
 * Reads the compiled version of a hash. Throws `ERR_NOT_FOUND` when there is none, and `ERR_DATA_FORMAT` when the file
 * is damaged or of another format; then it has to be compiled again.
 */
export async function readCompiled(layout: Layout, hash: BlobHash): Promise<CompiledVersion> {
  const digest = createHash('sha256')
  let head: ReturnType<typeof compiledHeadSchema.parse> | undefined
  const files: CompiledFile[] = []
  const shared = createSharing()
  try {
    for await (const line of linesOf(compiledFile(layout, hash), (chunk) => digest.update(chunk))) {
      if (head) files.push(shared(compiledFileSchema.parse(JSON.parse(line))))
      else head = compiledHeadSchema.parse(JSON.parse(line))
      if (files.length > limits.tree.files) throw damaged(hash, `it has more than ${limits.tree.files} files`)
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new GroveError('ERR_NOT_FOUND', `there is no compiled version ${hash}`, { cause: error })
    throw error instanceof GroveError ? error : damaged(hash, 'it cannot be read', error)
  }
  if (digest.digest('hex') !== hash) throw damaged(hash, 'its content has another hash')
  if (!head || head.files !== files.length) throw damaged(hash, 'files are missing')
  return { site: head.site, version: head.version, files }
}

/** Gives files with equal header lists one and the same: most files of a site have the same, and a front keeps all. */
function createSharing(): (file: CompiledFile) => CompiledFile {
  const known = new Map<string, HeaderList>()
  return (file) => {
    const key = file.headers.join('\n')
    const headers = known.get(key)
    if (headers !== undefined) return { ...file, headers }
    known.set(key, file.headers)
    return file
  }
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
  return new GroveError('ERR_DATA_FORMAT', `compiled version ${hash} is damaged: ${reason}`, { cause })
}
