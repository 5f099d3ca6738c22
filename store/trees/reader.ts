/**
 * Reading the nodes of a tree.
 *
 * Nodes come from disks and buckets. What a node says of those below it is held against what they are, so whatever the
 * bytes, a walk is as deep as the root says (7 levels at most), meets keys in strict order, and as many files as the
 * root says, which is bounded by `limits.tree`.
 */

import { limits } from '../../core/limits.ts'
import type { BlobHash } from '../../core/names.ts'
import type { TreeKey } from './key.ts'
import { broken, decodeNode, type Inner, type NodeRef, type TreeNode } from './node.ts'
import type { ReadNode } from './tree-file.ts'

/** Gives others their turn; awaited now and then by what takes long. */
export type Turn = () => Promise<void>

/** Reads nodes of one tree, inner ones once. */
export interface NodeReader {
  readonly root: TreeNode
  /**
   * The node at a place of an inner one, whose keys lie below `upper`. Throws `ERR_DATA_FORMAT` when it is not what the
   * node above says.
   */
  child(parent: Inner, place: number, upper: TreeKey | undefined): Promise<TreeNode>
}

/** Nodes that are read between two turns of others. */
const nodesPerTurn = 32

/** A reader of a tree, with its root read. Throws what reading throws, and `ERR_DATA_FORMAT`. */
export async function openTree(read: ReadNode, root: BlobHash, turn?: Turn): Promise<NodeReader> {
  /** Keyed by hash. As many as the tree's inner nodes, a few in a hundred of its files. */
  const inner = new Map<BlobHash, TreeNode>()
  let reads = 0
  return {
    root: decodeRoot(root, await read(root)),
    async child(parent, place, upper) {
      const ref = parent.items[place]
      if (ref === undefined) throw new RangeError(`node has no place ${place}`)
      const known = inner.get(ref.hash)
      if (!known) {
        reads += 1
        if (turn && reads % nodesPerTurn === 0) await turn()
      }
      const node = known ?? decodeNode(ref.hash, await read(ref.hash))
      requireFit(node, ref, parent.level - 1, parent.items[place + 1]?.key ?? upper)
      if (node.kind === 'inner') inner.set(ref.hash, node)
      return node
    },
  }
}

function decodeRoot(hash: BlobHash, bytes: Uint8Array): TreeNode {
  const root = decodeNode(hash, bytes)
  if (root.kind === 'inner' && root.items.length < 2) throw broken(hash, 'is a root with one node below it')
  if (root.files > limits.tree.files || root.pathBytes > limits.tree.allPathsBytes)
    throw broken(hash, `tells of ${root.files} files with paths of ${root.pathBytes} bytes`)
  return root
}

function requireFit(node: TreeNode, ref: NodeRef, level: number, upper: TreeKey | undefined): void {
  const { hash } = node
  if (node.level !== level) throw broken(hash, `is of level ${node.level}, not ${level}`)
  if (node.files !== ref.files || node.bytes !== ref.bytes || node.pathBytes !== ref.pathBytes)
    throw broken(hash, 'has not the files and bytes that the one above it tells')
  if (node.items[0]?.key !== ref.key) throw broken(hash, 'does not begin with the key that the one above it tells')
  const last = node.items.at(-1)?.key
  if (last !== undefined && upper !== undefined && last >= upper) throw broken(hash, 'has keys that belong after it')
}
