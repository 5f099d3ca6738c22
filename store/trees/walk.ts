/** Walking through a tree: its files, its leaves, its nodes. */

import type { BlobHash } from '../../core/names.ts'
import { type Step, upperOf } from './cursor.ts'
import { keyOf, placeOf, type TreeKey } from './key.ts'
import type { TreeNode } from './node.ts'
import { openTree, type Turn } from './reader.ts'
import type { ReadNode, TreeFile } from './tree-file.ts'

/** The file with a path, or undefined. Reads one node of each level. */
export async function findFile(read: ReadNode, root: BlobHash, path: string): Promise<TreeFile | undefined> {
  const tree = await openTree(read, root)
  const key = keyOf(path)
  let node = tree.root
  let upper: TreeKey | undefined
  while (node.kind === 'inner') {
    const at = placeOf(node.items, key)
    const place = node.items[at]?.key === key ? at : at - 1
    if (place < 0) return undefined
    const parent = node
    node = await tree.child(parent, place, upper)
    upper = parent.items[place + 1]?.key ?? upper
  }
  const found = node.items[placeOf(node.items, key)]
  // Equal keys are not yet equal paths.
  return found?.file.path === path ? found.file : undefined
}

/** All files of a tree, sorted by key. */
export async function* filesOf(read: ReadNode, root: BlobHash, turn?: Turn): AsyncGenerator<TreeFile> {
  for await (const { files } of leavesOf(read, root, turn)) yield* files
}

/** The leaves of a tree in order. Equal leaves of two trees have equal hashes. */
export async function* leavesOf(
  read: ReadNode,
  root: BlobHash,
  turn?: Turn,
): AsyncGenerator<{ readonly hash: BlobHash; readonly files: readonly TreeFile[] }> {
  for await (const { hash, node } of walk(read, root, turn, () => false))
    if (node.kind === 'leaf') yield { hash, files: node.items.map(({ file }) => file) }
}

/** A node with its bytes; `files` of a leaf only. */
export interface StoredNode {
  readonly hash: BlobHash
  readonly bytes: Uint8Array
  readonly files: readonly TreeFile[] | undefined
}

/** All nodes of a tree, each before those below it. One that `isKnown` is passed over with all that is below it. */
export async function* nodesOf(
  read: ReadNode,
  root: BlobHash,
  isKnown: (hash: BlobHash) => boolean = () => false,
  turn?: Turn,
): AsyncGenerator<StoredNode> {
  let bytes: Uint8Array = new Uint8Array()
  const readAndKeep: ReadNode = async (hash) => {
    bytes = await read(hash)
    return bytes
  }
  for await (const { hash, node } of walk(readAndKeep, root, turn, isKnown))
    yield { hash, bytes, files: node.kind === 'leaf' ? node.items.map(({ file }) => file) : undefined }
}

/** Goes through a tree in order, each node before those below it, and reads each once. */
async function* walk(
  read: ReadNode,
  root: BlobHash,
  turn: Turn | undefined,
  isKnown: (hash: BlobHash) => boolean,
): AsyncGenerator<{ readonly hash: BlobHash; readonly node: TreeNode }> {
  if (isKnown(root)) return
  const tree = await openTree(read, root, turn)
  yield { hash: root, node: tree.root }
  const steps: Step[] = tree.root.kind === 'inner' ? [{ node: tree.root, place: -1, upper: undefined }] : []
  for (let step = steps.at(-1); step; step = steps.at(-1)) {
    step.place += 1
    const ref = step.node.items[step.place]
    if (!ref) {
      steps.pop()
      continue
    }
    if (isKnown(ref.hash)) continue
    const node = await tree.child(step.node, step.place, step.upper)
    yield { hash: ref.hash, node }
    if (node.kind === 'inner') steps.push({ node, place: -1, upper: upperOf(step) })
  }
}
