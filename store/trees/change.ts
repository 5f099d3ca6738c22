/**
 * Making trees: from all files, or from another tree and what changed.
 *
 * Both ways give the same nodes, because where nodes begin follows from the keys alone. A change reads and makes only
 * the nodes that hold what changed and those above them: each level is cut anew from the node in which something
 * changed to the first place where an old node begins, too.
 */

import { hash as digest } from 'node:crypto'
import { GroveError } from '../../core/errors.ts'
import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import { innerCursor, leafCursor, type NodeCursor, type NodeOf } from './cursor.ts'
import { createCutter } from './cut.ts'
import { compareTexts, keyOf, placeOf, type TreeKey } from './key.ts'
import {
  decodeNode,
  encodeInner,
  encodeLeaf,
  type LeafItem,
  type NodeRef,
  sumOf,
  type Totals,
  type TreeNode,
  totalsOfItem,
} from './node.ts'
import { openTree, type Turn } from './reader.ts'
import type { MadeTree, ReadNode, TreeChange, TreeFile } from './tree-file.ts'

/** What becomes of one key on one level: `item` takes its place, or nothing does. */
interface Edit<T> {
  readonly key: TreeKey
  readonly item: T | undefined
  /** What it may take away; anything if this is undefined. */
  readonly takes?: (old: T) => boolean
}

/** A level: its number, and how some of its items become a node. */
interface Level<T> {
  readonly level: number
  make(items: readonly T[]): MadeNode
}

/** A node that was made, as the node above it and as the store will know it. */
interface MadeNode {
  readonly ref: NodeRef
  readonly bytes: Buffer
}

/** Items that are worked on between two turns of others. */
const itemsPerTurn = 2_048

const emptyBytes = encodeLeaf([])
const emptyRoot = hashOf(emptyBytes)

/**
 * The tree of some files, which `checkFiles` has let pass, in any order. Whoever comes to these files on another way
 * makes the same tree.
 */
export async function buildTree(files: readonly TreeFile[], turn?: Turn): Promise<MadeTree> {
  const readEmpty: ReadNode = async () => emptyBytes
  const { root, nodes, ...totals } = await changeTree(readEmpty, emptyRoot, { put: files, del: [] }, turn)
  return { root, nodes: root === emptyRoot ? new Map([[root, emptyBytes]]) : nodes, ...totals }
}

/**
 * The tree after a change that `checkChange` has let pass; `undefined` stands for the empty tree. A path to delete that
 * is not there changes nothing. Throws what reading throws, and `ERR_DATA_FORMAT` for nodes that are none.
 */
export async function changeTree(
  read: ReadNode,
  root: BlobHash | undefined,
  change: TreeChange,
  turn?: Turn,
): Promise<MadeTree> {
  if (root === undefined) return await buildTree(change.put, turn)
  const tree = await openTree(read, root, turn)
  const nodes = new Map<BlobHash, Uint8Array>()
  let { edits, made } = await changeLevel(leafLevel, leafCursor(tree), await editsOf(change, turn), nodes, turn)
  for (let level = 1; edits.length > 0; level++) {
    // The root was the only node of its level, so all that is on this level now was made.
    if (level > tree.root.level) return await topOf(made, level, nodes, read, turn)
    ;({ edits, made } = await changeLevel(innerLevel(level), innerCursor(tree, level), edits, nodes, turn))
  }
  return { root, nodes, files: tree.root.files, bytes: tree.root.bytes }
}

/** The last word about every path: one that is put stays, whatever is deleted. */
async function editsOf({ put, del }: TreeChange, turn: Turn | undefined): Promise<Edit<LeafItem>[]> {
  const edits = new Map<TreeKey, Edit<LeafItem>>()
  const deleted = new Set(del)
  const takes = ({ file }: LeafItem) => deleted.has(file.path)
  for (const key of deleted.values().map(keyOf)) edits.set(key, { key, item: undefined, takes })
  for (const [place, file] of put.entries()) {
    const key = keyOf(file.path)
    edits.set(key, { key, item: { key, file } })
    if (place % itemsPerTurn === itemsPerTurn - 1) await turn?.()
  }
  return [...edits.values()].sort(byKey)
}

/** What a change did to one level. */
interface ChangedLevel {
  /** What it changes on the level above, sorted by key. */
  readonly edits: readonly Edit<NodeRef>[]
  /** The nodes of the parts that were cut anew, in order, also those that are as they were. */
  readonly made: readonly NodeRef[]
}

/** Changes items of one level; adds the nodes that are new to `nodes`. */
async function changeLevel<T extends { readonly key: TreeKey }>(
  level: Level<T>,
  cursor: NodeCursor<T>,
  edits: readonly Edit<T>[],
  nodes: Map<BlobHash, Uint8Array>,
  turn: Turn | undefined,
): Promise<ChangedLevel> {
  const made: MadeNode[] = []
  /** The nodes that were cut anew, keyed by first key. */
  const gone = new Map<TreeKey, BlobHash>()
  let done = 0
  for (let edit = edits[done]; edit; edit = edits[done]) {
    const cut = createCutter<T>(level.level, (items) => made.push(level.make(items)))
    // What goes may have been the reason to begin a node, so the node before it is cut anew, too.
    for (let old: NodeOf<T> | undefined = await cursor.seekBefore(edit.key); old; old = await cursor.next()) {
      const [{ upper }, first] = [cursor, old.items[0]]
      if (first) gone.set(first.key, old.hash)
      const end = upper === undefined ? edits.length : placeOf(edits, upper)
      let items = 0
      for (const item of merge(old.items, edits.slice(done, end))) {
        cut.add(item)
        items += 1
        if (items % itemsPerTurn === 0) await turn?.()
      }
      done = end
      // A node begins here as before: this one and those after it stay, as far as nothing changes in them.
      if (upper !== undefined && edits[done]?.key !== upper && cut.wouldCut(upper)) break
    }
    cut.end()
  }
  const fresh = made.filter(({ ref }) => gone.get(ref.key) !== ref.hash)
  for (const { ref, bytes } of fresh) nodes.set(ref.hash, bytes)
  const above = new Map<TreeKey, Edit<NodeRef>>()
  for (const key of gone.keys()) above.set(key, { key, item: undefined })
  for (const { ref } of made) above.delete(ref.key)
  for (const { ref } of fresh) above.set(ref.key, { key: ref.key, item: ref })
  return { edits: [...above.values()].sort(byKey), made: made.map(({ ref }) => ref) }
}

/** One node's items after some edits. */
function* merge<T extends { readonly key: TreeKey }>(items: readonly T[], edits: readonly Edit<T>[]): Generator<T> {
  let done = 0
  for (const old of items) {
    for (let edit = edits[done]; edit && edit.key < old.key; edit = edits[++done]) if (edit.item) yield edit.item
    const edit = edits[done]
    if (edit?.key !== old.key) yield old
    else {
      done += 1
      if (edit.item) yield edit.item
      else if (edit.takes && !edit.takes(old)) yield old
    }
  }
  for (const { item } of edits.slice(done)) if (item) yield item
}

/**
 * Builds the levels above some nodes, which are all of the level below `level`, up to a root. Adds the nodes that it
 * makes to `nodes`.
 */
async function topOf(
  below: readonly NodeRef[],
  level: number,
  nodes: Map<BlobHash, Uint8Array>,
  read: ReadNode,
  turn: Turn | undefined,
): Promise<MadeTree> {
  let refs = below
  for (let next = level; refs.length > 1; next++) {
    const made: MadeNode[] = []
    const { level: number, make } = innerLevel(next)
    const cut = createCutter<NodeRef>(number, (items) => made.push(make(items)))
    for (const ref of refs) cut.add(ref)
    cut.end()
    await turn?.()
    for (const { ref, bytes } of made) nodes.set(ref.hash, bytes)
    refs = made.map(({ ref }) => ref)
  }
  let hash = refs[0]?.hash ?? emptyRoot
  if (hash === emptyRoot) nodes.set(hash, emptyBytes)
  for (;;) {
    const node: TreeNode = decodeNode(hash, nodes.get(hash) ?? (await read(hash)))
    const [only, another] = node.items
    if (node.kind === 'leaf' || another !== undefined || only === undefined || !('hash' in only))
      return { root: hash, nodes, files: node.files, bytes: node.bytes }
    // The one node below is the only one of its level, so it is the root, and nothing stands above it.
    nodes.delete(hash)
    hash = only.hash
  }
}

const leafLevel: Level<LeafItem> = {
  level: 0,
  make: (items) => madeNode(items, encodeLeaf(items), sumOf(items.map(totalsOfItem))),
}

function innerLevel(level: number): Level<NodeRef> {
  // Every node but the last of a level has 16 items at least: `limits.tree.files` come to 6 levels at most.
  if (level >= limits.store.treeLevels)
    throw new GroveError('ERR_DATA_FORMAT', `tree has more than ${limits.store.treeLevels} levels`)
  return { level, make: (items) => madeNode(items, encodeInner(level, items), sumOf(items)) }
}

function madeNode(items: readonly { readonly key: TreeKey }[], bytes: Buffer, totals: Totals): MadeNode {
  return { ref: { key: items[0]?.key ?? '', hash: hashOf(bytes), ...totals }, bytes }
}

function hashOf(bytes: Uint8Array): BlobHash {
  return digest('sha256', bytes)
}

function byKey(a: { readonly key: TreeKey }, b: { readonly key: TreeKey }): number {
  return compareTexts(a.key, b.key)
}
