/** What differs between two trees. */

import type { BlobHash } from '../../core/names.ts'
import { compareTexts, type TreeKey } from './key.ts'
import type { TreeNode } from './node.ts'
import { openTree, type Turn } from './reader.ts'
import type { ReadNode, TreeDifference, TreeFile } from './tree-file.ts'

/**
 * What differs from one tree to another; `undefined` stands for the empty tree. Passes over what the two share without
 * reading it, save a few nodes beside what differs. Throws what reading throws, and `ERR_DATA_FORMAT`.
 */
export async function diffTrees(
  read: ReadNode,
  before: BlobHash | undefined,
  after: BlobHash | undefined,
  turn?: Turn,
): Promise<TreeDifference> {
  if (before === after) return { added: [], changed: [], removed: [] }
  const [old, young] = [await openFront(read, before, turn), await openFront(read, after, turn)]
  const added: TreeFile[] = []
  const changed: TreeFile[] = []
  const removed: TreeFile[] = []
  for (let [a, b] = [old.at, young.at]; a || b; [a, b] = [old.at, young.at]) {
    // A node has the key of the first file below it, so each step passes something or comes closer to a file.
    if (a && (!b || a.key < b.key)) await takeAlone(old, a, removed)
    else if (b && (!a || b.key < a.key)) await takeAlone(young, b, added)
    else if (a && b && a.level === b.level && a.hash === b.hash && a.file?.path === b.file?.path) {
      old.pass()
      young.pass()
    } else if (a?.file && b?.file && a.file.path === b.file.path) {
      changed.push(b.file)
      old.pass()
      young.pass()
    } else if (a?.file && b?.file) {
      await takeAlone(old, a, removed)
      await takeAlone(young, b, added)
    } else if (a && b) {
      if (a.level >= b.level) await old.enter()
      if (b.level >= a.level) await young.enter()
    }
  }
  return { added: added.sort(byPath), changed: changed.sort(byPath), removed: removed.sort(byPath) }
}

/** What a walk through a tree is about to come to: a file, or a node. */
interface Place {
  /** Of the file, or of the first file below the node. */
  readonly key: TreeKey
  /** Of the file's content, or of the node. */
  readonly hash: BlobHash
  readonly file: TreeFile | undefined
  /** Of the node; below 0 for a file. */
  readonly level: number
}

/** A walk through a tree that can leave out what is below a node. */
interface Front {
  /** Undefined at the end. */
  readonly at: Place | undefined
  /** Goes on behind the place. */
  pass(): void
  /** Goes to the first thing below the node. */
  enter(): Promise<void>
}

async function openFront(read: ReadNode, root: BlobHash | undefined, turn: Turn | undefined): Promise<Front> {
  const tree = root === undefined ? undefined : await openTree(read, root, turn)
  const steps: { readonly node: TreeNode; place: number; readonly upper: TreeKey | undefined }[] = []
  if (tree) steps.push({ node: tree.root, place: 0, upper: undefined })
  return {
    get at() {
      const step = steps.at(-1)
      if (!step) return undefined
      if (step.node.kind === 'inner') {
        const ref = step.node.items[step.place]
        return ref && { key: ref.key, hash: ref.hash, file: undefined, level: step.node.level - 1 }
      }
      const item = step.node.items[step.place]
      return item && { key: item.key, hash: item.file.hash, file: item.file, level: -1 }
    },
    pass() {
      for (let step = steps.at(-1); step; step = steps.at(-1)) {
        step.place += 1
        if (step.place < step.node.items.length) return
        steps.pop()
      }
    },
    async enter() {
      const step = steps.at(-1)
      if (!tree || step?.node.kind !== 'inner') throw new RangeError('nothing to enter')
      const upper = step.node.items[step.place + 1]?.key ?? step.upper
      steps.push({ node: await tree.child(step.node, step.place, step.upper), place: 0, upper })
    },
  }
}

/** Takes what only one of the trees has. */
async function takeAlone(front: Front, { file }: Place, list: TreeFile[]): Promise<void> {
  if (!file) return await front.enter()
  list.push(file)
  front.pass()
}

function byPath(a: TreeFile, b: TreeFile): number {
  return compareTexts(a.path, b.path)
}
