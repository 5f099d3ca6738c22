/** Files of an upload as a bundle reads them: each one once, and not without end. */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { refusedPathReason } from '../../core/site-path.ts'
import type { ReadTree } from './bundle.ts'

/** Reads files of one upload for one bundle. */
export interface SourceReader {
  /** A file, or undefined where there is none. Rejects with `ERR_CODE` beyond a bound. */
  read(path: string): Promise<Uint8Array | undefined>
  /** A file as text. */
  readText(path: string): Promise<string | undefined>
}

/** A reader that has read nothing yet. */
export function createSourceReader(readTree: ReadTree): SourceReader {
  /** Keyed by path. */
  const known = new Map<string, Promise<Uint8Array | undefined>>()
  let files = 0
  let bytes = 0

  const load = async (path: string): Promise<Uint8Array | undefined> => {
    if (known.size > limits.bundle.lookUps)
      throw new GroveError('ERR_CODE', `more than ${limits.bundle.lookUps} paths are looked at`)
    const content = await readTree(path)
    if (content === undefined) return undefined
    files += 1
    bytes += content.length
    const { files: mostFiles, fileBytes, sourceBytes } = limits.bundle
    if (content.length > fileBytes) throw new GroveError('ERR_CODE', `${path}: more than ${fileBytes} bytes`)
    if (files > mostFiles) throw new GroveError('ERR_CODE', `more than ${mostFiles} files are imported`)
    if (bytes > sourceBytes) throw new GroveError('ERR_CODE', `files of more than ${sourceBytes} bytes are imported`)
    return content
  }

  const read = (path: string): Promise<Uint8Array | undefined> => {
    if (refusedPathReason(path) !== undefined) return Promise.resolve(undefined)
    const before = known.get(path) ?? load(path)
    known.set(path, before)
    return before
  }

  return {
    read,
    async readText(path) {
      const content = await read(path)
      return content && Buffer.from(content).toString('utf8')
    },
  }
}
