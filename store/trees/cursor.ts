/** Cursors: from node to node on one level of a tree. */

import type { BlobHash } from '../../core/names.ts'
import { placeOf, type TreeKey } from './key.ts'
import type { Inner, LeafItem, NodeRef, TreeNode } from './node.ts'
import type { NodeReader } from './reader.ts'

/** A node with items of one sort. */
export interface NodeOf<T> {
  readonly hash: BlobHash
  readonly items: readonly T[]
}

/** Goes from node to node on one level of a tree. */
export interface NodeCursor<T> {
  /** The last node that begins before a key; the first one if none does. */
  seekBefore(key: TreeKey): Promise<NodeOf<T>>
  /** The node after the present one; undefined after the last. */
  next(): Promise<NodeOf<T> | undefined>
  /** The first key after the present node; undefined if it is the last one. */
  readonly upper: TreeKey | undefined
}

/** A node on the way down, and which of those below it was taken. */
export interface Step {
  readonly node: Inner
  place: number
  readonly upper: TreeKey | undefined
}

/** The first key after the node that a step leads to. */
export function upperOf(step: Step | undefined): TreeKey | undefined {
  return step && (step.node.items[step.place + 1]?.key ?? step.upper)
}

/** A cursor over the leaves. */
export function leafCursor(tree: NodeReader): NodeCursor<LeafItem> {
  return cursor(tree, 0, (node) => (node.kind === 'leaf' ? node : undefined))
}

/** A cursor over the nodes of a level from 1 up to the root's. */
export function innerCursor(tree: NodeReader, level: number): NodeCursor<NodeRef> {
  return cursor(tree, level, (node) => (node.kind === 'inner' ? node : undefined))
}

function cursor<T extends { readonly key: TreeKey }>(
  tree: NodeReader,
  level: number,
  nodeOf: (node: TreeNode) => NodeOf<T> | undefined,
): NodeCursor<T> {
  let steps: Step[] = []
  let present: NodeOf<T> | undefined
  /** Goes down from a node to the level, to the node below each that `choose` says. */
  const down = async (from: TreeNode, above: TreeKey | undefined, choose: (node: Inner) => number) => {
    let [node, upper] = [from, above]
    while (node.kind === 'inner' && node.level > level) {
      const step: Step = { node, place: choose(node), upper }
      steps.push(step)
      node = await tree.child(step.node, step.place, step.upper)
      upper = upperOf(step)
    }
    present = nodeOf(node)
    if (!present) throw new RangeError(`tree has no level ${level}`)
    return present
  }
  return {
    async seekBefore(key) {
      const [first, upper] = [present?.items[0]?.key, upperOf(steps.at(-1))]
      // Whoever goes through a tree in order is in the right node already, most times.
      if (present && first !== undefined && first < key && (upper === undefined || key <= upper)) return present
      steps = []
      return await down(tree.root, undefined, ({ items }) => Math.max(0, placeOf(items, key) - 1))
    },
    async next() {
      for (let step = steps.at(-1); step; step = steps.at(-1)) {
        if (step.place + 1 < step.node.items.length) {
          step.place += 1
          const node = await tree.child(step.node, step.place, step.upper)
          return await down(node, upperOf(step), () => 0)
        }
        steps.pop()
      }
      return undefined
    },
    get upper() {
      return upperOf(steps.at(-1))
    },
  }
}
