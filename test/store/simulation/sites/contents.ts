/** Contents of simulated sites: each has a name, from which its bytes follow, so histories can name them. */

import { createHash } from 'node:crypto'
import type { BlobHash } from '../../../../core/names.ts'
import { createRandom } from '../random.ts'
import { bareBytes } from './small-limits.ts'

/** A content. */
export interface Content {
  readonly name: string
  readonly hash: BlobHash
  readonly bytes: Buffer
}

/** How many contents there are for small files, and for large ones. */
const smallCount = 60
const largeCount = 6

/** All contents, small ones first. Their bytes are the same in every process. */
export const contents: readonly Content[] = [
  ...Array.from({ length: smallCount }, (_, index) => contentOf(`c${index}`, 20 + ((index * 397) % 2_500), index)),
  ...Array.from({ length: largeCount }, (_, index) => contentOf(`large${index}`, bareBytes + 1 + index * 500, index)),
]

/** The contents for files that lie in segments. */
export const smallContents = contents.slice(0, smallCount)
/** The contents that are objects by themselves. */
export const largeContents = contents.slice(smallCount)

const byHash = new Map(contents.map((content) => [content.hash, content]))
const byName = new Map(contents.map((content) => [content.name, content]))

/** The content of a name. */
export function contentNamed(name: string): Content {
  const content = byName.get(name)
  if (!content) throw new RangeError(`there is no content ${name}`)
  return content
}

/** The name of what has a hash; `?` and its beginning for what nobody has made. */
export function nameOf(hash: BlobHash): string {
  return byHash.get(hash)?.name ?? `?${hash.slice(0, 8)}`
}

/** The name of what some bytes are. */
export function nameOfBytes(bytes: Uint8Array): string {
  return nameOf(createHash('sha256').update(bytes).digest('hex'))
}

/** Each fourth can be packed well; unpacking costs more time than everything else. */
function contentOf(name: string, length: number, index: number): Content {
  const text = index % 4 === 0 ? Math.floor(length / 2) : 0
  const noise = createRandom(length, name).bytes(length - text)
  const bytes = Buffer.concat([Buffer.from(`${name} `.repeat(text).slice(0, text)), noise])
  return { name, hash: createHash('sha256').update(bytes).digest('hex'), bytes }
}
