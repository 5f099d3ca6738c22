/**
 * Reading tar from a stranger. Only what tar-write.ts writes is read: plain files in ustar form. Links, folders, devices,
 * extended headers, names in two parts, lengths that are not octal are refused, so nothing of a tar file becomes a path
 * or an allocation. Names are handed out as they stand; whoever takes them compares them with those that can be.
 *
 * A library was looked at (tar-stream 3.2, MIT, kept up): it reads all dialects of tar, each of which would have to be
 * refused again here, and brings streams of its own.
 */

import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import { blockBytes, checksumOf } from './tar-write.ts'

/** A file of a tar file. */
export interface TarFile {
  readonly name: string
  readonly bytes: number
  /** To be read before the next file is asked for; what is left of it then is passed over. */
  readonly body: AsyncGenerator<Buffer>
}

/**
 * The files of a tar file, in order. Reads the source to its end. Throws `ERR_BAD_REQUEST` for what is not a tar file of
 * plain files, or ends too early, and what the source throws.
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarFile> {
  const bytes = byteReader(source)
  try {
    for (;;) {
      const header = await bytes.exactly(blockBytes)
      if (isZero(header)) break
      const { name, length } = parseHeader(header)
      const body = bodyOf(bytes, length)
      yield { name, bytes: length, body }
      for await (const _ of body); // What nobody wanted.
      await bytes.exactly((blockBytes - (length % blockBytes)) % blockBytes)
    }
    if (!isZero(await bytes.exactly(blockBytes))) throw refused('it ends with one empty block instead of two')
    await requirePadding(bytes)
  } finally {
    await bytes.end()
  }
}

/** An error of a file that is not an export. */
export function refused(why: string, details?: Readonly<Record<string, unknown>>): GroveError {
  return new GroveError('ERR_BAD_REQUEST', `this is not an export of a site: ${why}`, {
    ...(details && { details }),
    hint: 'docs/export-format.md tells what an export is',
  })
}

/** A source, some bytes at a time. */
interface ByteReader {
  /** The next bytes, at least one and at most so many; undefined at the end. */
  some(most: number): Promise<Buffer | undefined>
  /** So many bytes. Throws `ERR_BAD_REQUEST` when there are fewer. */
  exactly(count: number): Promise<Buffer>
  /** Lets go of the source. */
  end(): Promise<void>
}

function byteReader(source: AsyncIterable<Uint8Array>): ByteReader {
  const iterator = source[Symbol.asyncIterator]()
  let left: Buffer = Buffer.alloc(0)
  async function some(most: number): Promise<Buffer | undefined> {
    while (left.length === 0) {
      const { done, value } = await iterator.next()
      if (done) return undefined
      left = Buffer.from(value.buffer, value.byteOffset, value.length)
    }
    const taken = left.subarray(0, most)
    left = left.subarray(taken.length)
    return taken
  }
  return {
    some,
    async exactly(count) {
      const parts: Buffer[] = []
      for (let lacking = count; lacking > 0; ) {
        const part = await some(lacking)
        if (!part) throw refused('it ends too early')
        parts.push(part)
        lacking -= part.length
      }
      return Buffer.concat(parts)
    },
    async end() {
      await iterator.return?.()
    },
  }
}

async function* bodyOf(bytes: ByteReader, length: number): AsyncGenerator<Buffer> {
  for (let lacking = length; lacking > 0; ) {
    const part = await bytes.some(lacking)
    if (!part) throw refused('it ends in the middle of a file')
    // Counted before it is handed out: whoever stops reading here has had it.
    lacking -= part.length
    yield part
  }
}

function parseHeader(header: Buffer): { readonly name: string; readonly length: number } {
  if (header.toString('latin1', 257, 265) !== 'ustar\x0000') throw refused('a header is not of the ustar form')
  const [, sum] = /^([0-7]{6,7})[\0 ]{1,2}$/.exec(header.toString('latin1', 148, 156)) ?? []
  if (sum === undefined || Number.parseInt(sum, 8) !== checksumOf(header)) throw refused('a header is damaged')
  const name = header.toString('latin1', 0, 100).replace(/\0+$/, '')
  const about = { name: name.slice(0, 100) }
  const type = header[156]
  if (type !== 0x30 && type !== 0) throw refused('it has something that is not a plain file', about)
  if (!isZero(header.subarray(157, 257))) throw refused('it has a link', about)
  if (!isZero(header.subarray(345, 500))) throw refused('it has a name in two parts', about)
  const [, digits] = /^([0-7]{11})[\0 ]$/.exec(header.toString('latin1', 124, 136)) ?? []
  if (digits === undefined) throw refused('it has a file without a length', about)
  return { name, length: Number.parseInt(digits, 8) }
}

/** Programs fill a tar file up with zeros; nothing else may follow, and not without end. */
async function requirePadding(bytes: ByteReader): Promise<void> {
  for (let count = 0; count <= limits.transfer.paddingBytes; ) {
    const part = await bytes.some(limits.transfer.paddingBytes)
    if (!part) return
    if (!isZero(part)) throw refused('something follows after its end')
    count += part.length
  }
  throw refused('it goes on after its end')
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}
