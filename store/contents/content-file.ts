/** The file of one content: written whole or not at all, and never without its hash checked. */

import { createHash } from 'node:crypto'
import { dirname, join } from 'node:path'
import { GroveError } from '../../core/errors.ts'
import type { Layout } from '../../core/layout.ts'
import type { BlobHash } from '../../core/names.ts'
import { isMissingFile, toDiskError } from '../disk-error.ts'
import type { Environment, FileWriter } from '../environment.ts'

/** A content as it comes in, and how long it may be. */
export interface ContentSource {
  readonly hash: BlobHash
  readonly chunks: AsyncIterable<Uint8Array>
  readonly maxBytes: number
}

/** A path for a file that is being written: nobody else has it. */
export function temporaryFile(env: Environment, layout: Layout): string {
  return join(layout.temporary, `content-${env.randomBytes(12).toString('hex')}`)
}

/**
 * Gives a file its name among those that can be had again. Their folder is made anew when it is gone: somebody may empty
 * a cache by hand.
 */
export async function moveIntoCache(env: Environment, from: string, to: string): Promise<void> {
  try {
    await env.files.rename(from, to)
  } catch (error) {
    if (!isMissingFile(error)) throw error
    await env.files.makeFolder(dirname(to))
    await env.files.rename(from, to)
  }
}

/**
 * Writes a content into a file beside its place, and answers its length. The file is not forced to disk. Rejects with
 * `ERR_BLOB_MISMATCH`, `ERR_TOO_LARGE`, `ERR_DATA_IO`, or as the source does; then there is no file.
 */
export async function writeContent(env: Environment, file: string, source: ContentSource): Promise<number> {
  const writer = await env.files.create(file).catch((error: unknown) => {
    throw toDiskError(`write content ${source.hash}`, error)
  })
  let isWhole = false
  try {
    const bytes = await drain(source, writer)
    isWhole = true
    return bytes
  } finally {
    await writer.close()
    if (!isWhole) await env.files.remove(file).catch(() => {}) // The folder is emptied at the next start.
  }
}

/** Reads a content to its end, into a file if there is one to fill, and answers its length. Rejects like {@link writeContent}. */
export async function drain({ hash, chunks, maxBytes }: ContentSource, writer?: FileWriter): Promise<number> {
  const sha256 = createHash('sha256')
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > maxBytes) throw new GroveError('ERR_TOO_LARGE', `content ${hash} is longer than ${maxBytes} bytes`)
    sha256.update(chunk)
    await writer?.write(chunk).catch((error: unknown) => {
      throw toDiskError(`write content ${hash}`, error)
    })
  }
  const found = sha256.digest('hex')
  if (found !== hash)
    throw new GroveError('ERR_BLOB_MISMATCH', `content of ${bytes} bytes has the hash ${found}, not ${hash}`)
  return bytes
}

/** Whether a file has the content of a hash; undefined when there is no file. Rejects with `ERR_DATA_IO`. */
export async function isContent(env: Environment, file: string, hash: BlobHash): Promise<boolean | undefined> {
  const sha256 = createHash('sha256')
  try {
    for await (const chunk of env.files.stream(file)) sha256.update(chunk)
  } catch (error) {
    if (isMissingFile(error)) return undefined
    throw toDiskError(`read content ${hash}`, error)
  }
  return sha256.digest('hex') === hash
}

/** Bytes in memory as a source. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** That a content is not there. */
export function missingContents(missing: readonly BlobHash[]): GroveError {
  const what = missing.length === 1 ? `content ${missing[0]} is` : `${missing.length} contents are`
  return new GroveError('ERR_BLOB_MISSING', `${what} not there`, { details: { missing } })
}

/**
 * The same source with its first chunk asked for already. A stream that breaks before anybody listens to it would end
 * the process; asking is listening.
 */
export function begun(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const iterator = source[Symbol.asyncIterator]()
  const first = iterator.next()
  first.catch(() => {}) // Whoever reads the source gets the error.
  return {
    async *[Symbol.asyncIterator]() {
      try {
        for (let step = await first; !step.done; step = await iterator.next()) yield step.value
      } finally {
        await iterator.return?.()
      }
    },
  }
}
