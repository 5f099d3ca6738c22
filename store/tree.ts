/**
 * Trees: which files a version has. A tree is itself a blob, so a version is named by one hash.
 *
 * Its bytes are canonical: `grove tree 1`, then one line `<hash> <bytes> <path>` per file, sorted by path in code unit
 * order, each line ended by a line feed. Equal trees have equal bytes.
 */

import { GroveError } from '../core/errors.ts'
import { limits } from '../core/limits.ts'
import { type BlobHash, isBlobHash } from '../core/names.ts'
import { clashKey, refusedPathReason } from '../core/site-path.ts'

/** A file of a tree. */
export interface TreeFile {
  /** No leading `/`: `docs/index.html`. */
  readonly path: string
  readonly hash: BlobHash
  readonly bytes: number
}

/** What differs between two trees: paths, sorted. */
export interface TreeDifference {
  readonly added: string[]
  readonly changed: string[]
  readonly removed: string[]
}

const firstLine = 'grove tree 1'
const linePattern = /^([0-9a-f]{64}) (0|[1-9]\d{0,15}) ([^\n]+)$/

/** The canonical bytes of a tree that {@link checkTree} has let pass. */
export function encodeTree(files: readonly TreeFile[]): Buffer {
  const sorted = files.toSorted((a, b) => compare(a.path, b.path))
  return Buffer.from(
    `${[firstLine, ...sorted.map(({ path, hash, bytes }) => `${hash} ${bytes} ${path}`)].join('\n')}\n`,
  )
}

/** The files of a tree, sorted by path. Throws `ERR_DATA_FORMAT` for bytes that {@link encodeTree} does not make. */
export function decodeTree(bytes: Uint8Array): TreeFile[] {
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8').split('\n')
  if (lines[0] !== firstLine) throw new GroveError('ERR_DATA_FORMAT', `tree does not begin with "${firstLine}"`)
  if (lines.at(-1) !== '' || lines.length < 2)
    throw new GroveError('ERR_DATA_FORMAT', 'tree ends in the middle of a line')
  return lines.slice(1, -1).map((line, index, all) => {
    const [, hash, digits, path] = linePattern.exec(line) ?? []
    if (hash === undefined || digits === undefined || path === undefined)
      throw new GroveError('ERR_DATA_FORMAT', `line ${index + 2} of a tree is not a file`)
    if (index > 0 && compare(pathOf(all[index - 1]), path) >= 0)
      throw new GroveError('ERR_DATA_FORMAT', `line ${index + 2} of a tree is not in order`)
    return { path, hash, bytes: Number(digits) }
  })
}

/** What was added, changed and removed from one tree to another. */
export function diffTrees(before: readonly TreeFile[], after: readonly TreeFile[]): TreeDifference {
  const hashes = new Map(before.map(({ path, hash }) => [path, hash]))
  const added: string[] = []
  const changed: string[] = []
  for (const { path, hash } of after) {
    const old = hashes.get(path)
    if (old === undefined) added.push(path)
    else if (old !== hash) changed.push(path)
    hashes.delete(path)
  }
  return { added: added.sort(), changed: changed.sort(), removed: [...hashes.keys()].sort() }
}

/** A path that cannot be published, and why: a clause to put after the path. */
interface Refused {
  readonly path: string
  readonly reason: string
}

/**
 * Checks a publisher's whole list: every path alone, paths against each other, sizes, and the bounds of
 * `limits.tree`. Throws `ERR_PUBLISH_REFUSED` that names the refused paths with their reasons; `details.refused` lists
 * at most `limits.tree.refusedListed`, `details.count` tells how many there are.
 */
export function checkTree(files: readonly TreeFile[]): void {
  if (files.length > limits.tree.files) throw refusal(`tree of ${files.length} files; at most ${limits.tree.files}`, [])
  const refused = [...refusedAlone(files)]
  const names = new Set(refused.map(({ path }) => path))
  // Only paths of a bounded length are compared with each other.
  refused.push(...refusedTogether(files.filter(({ path }) => !names.has(path))))
  if (refused.length > 0) throw refusal(sentence(refused), refused)
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0)
  if (totalBytes > limits.tree.totalBytes)
    throw refusal(`tree of ${totalBytes} bytes; at most ${limits.tree.totalBytes}`, [])
  const allPathsBytes = files.reduce((sum, { path }) => sum + Buffer.byteLength(path), 0)
  if (allPathsBytes > limits.tree.allPathsBytes)
    throw refusal(`paths of ${allPathsBytes} bytes together; at most ${limits.tree.allPathsBytes}`, [])
}

/** Throws `ERR_PUBLISH_REFUSED` for a list of paths, like {@link checkTree}; for reasons that only the store knows. */
export function refuseFiles(refused: readonly Refused[]): never {
  throw refusal(sentence(refused), refused)
}

function* refusedAlone(files: readonly TreeFile[]): Generator<Refused> {
  for (const { path, hash, bytes } of files) {
    const reason = refusedPathReason(path)
    if (reason) yield { path, reason }
    else if (!isBlobHash(hash)) yield { path, reason: 'has no SHA-256 as its hash' }
    else if (!Number.isSafeInteger(bytes) || bytes < 0) yield { path, reason: 'has no length' }
    else if (bytes > limits.tree.fileBytes) yield { path, reason: `is larger than ${limits.tree.fileBytes} bytes` }
  }
}

/** Paths that could not lie beside each other in a folder of an ordinary disk. */
function* refusedTogether(files: readonly TreeFile[]): Generator<Refused> {
  /** Keyed by {@link clashKey}. */
  const taken = new Map<string, string>()
  for (const { path } of files) {
    const key = clashKey(path)
    const other = taken.get(key)
    if (other === undefined) taken.set(key, path)
    else if (other === path) yield { path, reason: 'is there twice' }
    else yield { path, reason: `differs from ${quote(other)} only by case or Unicode form` }
  }
  for (const { path } of files) {
    const key = clashKey(path)
    for (let slash = key.lastIndexOf('/'); slash > 0; slash = key.lastIndexOf('/', slash - 1)) {
      const file = taken.get(key.slice(0, slash))
      if (file === undefined) continue
      yield { path, reason: `lies under ${quote(file)}, which is a file` }
      break
    }
  }
}

function sentence(refused: readonly Refused[]): string {
  const listed = refused.slice(0, limits.tree.refusedListed)
  const more = refused.length - listed.length
  const clauses = listed.map(({ path, reason }) => `${quote(path)} ${reason}`).join('; ')
  return `cannot publish: ${clauses}${more > 0 ? `; and ${more} more` : ''}`
}

function refusal(message: string, refused: readonly Refused[]): GroveError {
  const listed = refused.slice(0, limits.tree.refusedListed)
  return new GroveError('ERR_PUBLISH_REFUSED', message, {
    details: {
      count: refused.length,
      refused: listed.map(({ path, reason }) => ({ path: path.slice(0, limits.tree.pathBytes), reason })),
    },
  })
}

/** A name from a stranger, for a message: what could steer a terminal or turn the text around is escaped. */
function quote(path: string): string {
  return JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path).replace(
    /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function pathOf(line: string | undefined): string {
  return linePattern.exec(line ?? '')?.[3] ?? ''
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
