/**
 * Nodes: the pieces of which trees are made, and their bytes.
 *
 * A node is UTF-8 text of lines, each ended by a line feed (0x0A); its name is the SHA-256 of its bytes, in lower-case
 * hex. Numbers are decimal without leading zeros. Nodes are canonical: equal sets of files have equal nodes.
 *
 * ```text
 * leaf     grove tree 2 leaf
 *          <hash> <bytes> <path>                                  for each file, sorted by key
 * inner    grove tree 2 inner <level>                             1 to 7; its nodes are of the level below, leaves of 0
 *          <hash> <files> <bytes> <path bytes> <first key>        for each node below it, sorted by first key
 * ```
 *
 * `<hash>` is the SHA-256 of the content or the node below, `<bytes>` the length of the content or of all contents
 * below, `<path bytes>` the UTF-8 length of all paths below. The key of a path is the path in NFC and lower case; to
 * compare two keys, U+0000 stands for `/`, and UTF-16 code units decide. The root of an empty tree is a leaf of one
 * line, and no other node is empty; the root is a leaf or has two nodes below it at least.
 *
 * Where nodes begin: the items of a level (files, or nodes of the level below) are taken in order, and an item begins a
 * new node when the present one is empty, has 128 items, would come to more than 24,576 bytes of keys (UTF-8), or has
 * at least 24 items and the 32-bit word number <level> (from 0, big-endian) of the SHA-256 of the item's key (with `/`)
 * is below 2²⁸. Levels are built until one has a single node.
 */

import { strict as assert } from 'node:assert'
import { isUtf8 } from 'node:buffer'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { refusedPathReason } from '../../core/site-path.ts'
import { keyOf, keyOfText, type TreeKey, textOfKey } from './key.ts'
import type { TreeFile } from './tree-file.ts'

/** How much is in a tree or below a node. */
export interface Totals {
  readonly files: number
  /** Of all contents. */
  readonly bytes: number
  /** Of all paths, as UTF-8. */
  readonly pathBytes: number
}

/** A file in its place. */
export interface LeafItem {
  readonly key: TreeKey
  readonly file: TreeFile
}

/** What a node says of a node below it. */
export interface NodeRef extends Totals {
  /** The first key below it. */
  readonly key: TreeKey
  readonly hash: BlobHash
}

/** A node with files. */
export interface Leaf extends Totals {
  readonly hash: BlobHash
  readonly kind: 'leaf'
  readonly level: 0
  readonly items: readonly LeafItem[]
}

/** A node with nodes below it. */
export interface Inner extends Totals {
  readonly hash: BlobHash
  readonly kind: 'inner'
  /** 1 and up; the nodes below are of the level before it. */
  readonly level: number
  readonly items: readonly NodeRef[]
}

/** A node that was read. */
export type TreeNode = Leaf | Inner

const leafLine = 'grove tree 2 leaf'
const innerLine = /^grove tree 2 inner ([1-7])$/
const filePattern = /^([0-9a-f]{64}) (0|[1-9]\d{0,15}) ([^\n]+)$/
const nodePattern = /^([0-9a-f]{64}) ([1-9]\d{0,15}) (0|[1-9]\d{0,15}) ([1-9]\d{0,15}) ([^\n]+)$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are exactly what is refused
const controlPattern = /[\x00-\x1f\x7f-\x9f]/

/** The bytes of a leaf. */
export function encodeLeaf(items: readonly LeafItem[]): Buffer {
  return encode(
    leafLine,
    items,
    items.map(({ file: { path, hash, bytes } }) => `${hash} ${bytes} ${path}`),
  )
}

/** The bytes of a node of a level from 1 up. */
export function encodeInner(level: number, items: readonly NodeRef[]): Buffer {
  return encode(
    `grove tree 2 inner ${level}`,
    items,
    items.map(({ key, hash, files, bytes, pathBytes }) => `${hash} ${files} ${bytes} ${pathBytes} ${textOfKey(key)}`),
  )
}

/**
 * The node that some bytes are, whose hash `hash` is. Throws `ERR_DATA_FORMAT`, which tells the line, for bytes that are
 * not exactly a node: also for paths that could not be published, so that nobody who can write to a disk or a bucket
 * gets one in.
 */
export function decodeNode(hash: BlobHash, bytes: Uint8Array): TreeNode {
  const [first, ...lines] = linesOf(hash, bytes)
  if (first === leafLine) {
    const items = lines.map((line, index) => decodeFile(hash, line, index))
    requireOrder(hash, items)
    return { hash, kind: 'leaf', level: 0, items, ...countable(hash, items.map(totalsOfItem)) }
  }
  const [, level] = innerLine.exec(first ?? '') ?? []
  if (level === undefined) throw broken(hash, `does not begin with "${leafLine}" or "grove tree 2 inner" and a level`)
  const items = lines.map((line, index) => decodeRef(hash, line, index))
  if (items.length === 0) throw broken(hash, 'has nothing below it')
  requireOrder(hash, items)
  return { hash, kind: 'inner', level: Number(level), items, ...countable(hash, items) }
}

/** What one file adds to the totals. */
export function totalsOfItem({ file: { path, bytes } }: LeafItem): Totals {
  return { files: 1, bytes, pathBytes: Buffer.byteLength(path) }
}

/** Totals together. */
export function sumOf(totals: readonly Totals[]): Totals {
  let [files, bytes, pathBytes] = [0, 0, 0]
  for (const one of totals) {
    files += one.files
    bytes += one.bytes
    pathBytes += one.pathBytes
  }
  return { files, bytes, pathBytes }
}

/** An error of a node that is none, or of another tree. */
export function broken(hash: BlobHash, what: string): GroveError {
  return new GroveError('ERR_DATA_FORMAT', `node ${hash} of a tree ${what}`, { details: { node: hash } })
}

function encode(first: string, items: readonly { readonly key: TreeKey }[], lines: readonly string[]): Buffer {
  items.forEach(({ key }, index) => {
    const before = items[index - 1]
    assert(before === undefined || before.key < key, 'files of a tree are sorted, each there once')
  })
  const bytes = Buffer.from(`${[first, ...lines].join('\n')}\n`)
  assert(bytes.length <= limits.store.treeNodeBytes, 'a node that was cut by the rules fits')
  return bytes
}

/** The lines of a node, without their ends. */
function linesOf(hash: BlobHash, bytes: Uint8Array): string[] {
  if (bytes.byteLength > limits.store.treeNodeBytes)
    throw broken(hash, `has ${bytes.byteLength} bytes; at most ${limits.store.treeNodeBytes}`)
  if (!isUtf8(bytes)) throw broken(hash, 'is not UTF-8')
  const lines = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8').split('\n')
  if (lines.pop() !== '') throw broken(hash, 'ends in the middle of a line')
  return lines
}

function decodeFile(node: BlobHash, line: string, index: number): LeafItem {
  const [, hash, digits, path] = filePattern.exec(line) ?? []
  if (hash === undefined || path === undefined) throw broken(node, `has no file in line ${index + 2}`)
  const reason = refusedPathReason(path)
  if (reason !== undefined) throw broken(node, `has a path in line ${index + 2} that ${reason}`)
  return { key: keyOf(path), file: { path, hash, bytes: Number(digits) } }
}

function decodeRef(node: BlobHash, line: string, index: number): NodeRef {
  const [, hash, files, bytes, pathBytes, text] = nodePattern.exec(line) ?? []
  if (hash === undefined || text === undefined || controlPattern.test(text))
    throw broken(node, `has no node in line ${index + 2}`)
  return { key: keyOfText(text), hash, files: Number(files), bytes: Number(bytes), pathBytes: Number(pathBytes) }
}

function countable(node: BlobHash, totals: readonly Totals[]): Totals {
  const sum = sumOf(totals)
  if (!Object.values(sum).every(Number.isSafeInteger)) throw broken(node, 'tells of more than can be counted')
  return sum
}

function requireOrder(node: BlobHash, items: readonly { readonly key: TreeKey }[]): void {
  items.forEach(({ key }, index) => {
    const before = items[index - 1]
    if (before !== undefined && before.key >= key) throw broken(node, `is out of order in line ${index + 2}`)
  })
}
