/** Contents of scanned files: their hashes, and streams of exactly the bytes that were hashed. */

import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { PublishFile } from '../core/admin-api.ts'
import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { forEachParallel } from '../core/parallel.ts'
import type { ScannedFile } from './scan.ts'

const chunkBytes = 262_144
const leastBytes = 4_096

/** Reads every file once and answers the list to publish, in the same order. `read` is told the bytes as they go by. */
export async function hashFiles(files: readonly ScannedFile[], read: (bytes: number) => void): Promise<PublishFile[]> {
  const hashed = new Array<PublishFile>(files.length)
  await forEachParallel(files.entries(), limits.cli.parallelFiles, async ([index, file]) => {
    const hash = createHash('sha256')
    let bytes = 0
    for await (const chunk of readContent(file)) {
      hash.update(chunk)
      bytes += chunk.length
      read(chunk.length)
    }
    hashed[index] = { path: file.path, hash: hash.digest('hex'), bytes }
  })
  return hashed
}

/** A stream of a content of `bytes` bytes. Errors when the file has become shorter or longer since it was hashed. */
export function openContent(file: ScannedFile, bytes: number): Readable {
  return Readable.from(exactly(file, bytes), { objectMode: false })
}

async function* exactly(file: ScannedFile, bytes: number): AsyncGenerator<Buffer> {
  let sent = 0
  for await (const chunk of readContent(file)) {
    sent += chunk.length
    if (sent > bytes) break
    yield chunk
  }
  if (sent !== bytes)
    throw new GroveError('ERR_PUBLISH_REFUSED', `${file.path} changed while it was being published`, {
      hint: 'publish again; nothing was made live',
    })
}

async function* readContent({ file, path }: ScannedFile): AsyncGenerator<Buffer> {
  const { handle, bytes } = await openFile(file, path)
  let left = bytes
  try {
    for (;;) {
      // A byte more than there should be: most files are small, and end with their first read.
      const most = Math.min(chunkBytes, Math.max(leastBytes, left + 1))
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(most), 0, most)
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead)
      if (bytesRead < most) return
      left -= bytesRead
    }
  } finally {
    await handle.close()
  }
}

/** Opens what the scan saw: a link or a pipe that was put in its place since is not followed and not waited for. */
async function openFile(file: string, path: string): Promise<{ handle: FileHandle; bytes: number }> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const found = await handle.stat()
    if (found.isFile()) return { handle, bytes: found.size }
    await handle.close()
  } catch (error) {
    throw new GroveError('ERR_PUBLISH_REFUSED', `${path} cannot be read: ${(error as Error).message}`, {
      cause: error,
      hint: 'nothing was made live',
    })
  }
  throw new GroveError('ERR_PUBLISH_REFUSED', `${path} is not a file any more`, { hint: 'nothing was made live' })
}
