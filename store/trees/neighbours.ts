/** What stands beside a key in a tree. */

import { leafCursor, type NodeOf } from './cursor.ts'
import { placeOf, type TreeKey } from './key.ts'
import type { LeafItem } from './node.ts'
import type { NodeReader } from './reader.ts'

/**
 * Files of a tree around some keys. Asked in the order of the keys, each with the one before and after it as bounds, it
 * reads what lies around them and what is passed over once.
 */
export interface Neighbours {
  /** The file that has a key. */
  at(key: TreeKey): Promise<LeafItem | undefined>
  /** The last file before a key that is not passed over, if it comes after `bound`. */
  before(key: TreeKey, bound: TreeKey | undefined): Promise<LeafItem | undefined>
  /** The first file after a key that is not passed over, if it comes before `bound`. */
  after(key: TreeKey, bound: TreeKey | undefined): Promise<LeafItem | undefined>
}

/** The neighbours in a tree, of which some files are passed over. */
export function openNeighbours(tree: NodeReader, isPassedOver: (item: LeafItem) => boolean): Neighbours {
  const leaves = leafCursor(tree)
  /** The leaf in which a key is or would be. */
  const leafOf = async (key: TreeKey) => {
    const leaf = await leaves.seekBefore(key)
    return leaves.upper === key ? ((await leaves.next()) ?? leaf) : leaf
  }
  return {
    async at(key) {
      const { items } = await leafOf(key)
      const item = items[placeOf(items, key)]
      return item?.key === key ? item : undefined
    },
    async before(key, bound) {
      let leaf = await leaves.seekBefore(key)
      for (;;) {
        for (const item of leaf.items.slice(0, placeOf(leaf.items, key)).reverse()) {
          if (bound !== undefined && item.key <= bound) return undefined
          if (!isPassedOver(item)) return item
        }
        const previous = await leaves.seekBefore(leaf.items[0]?.key ?? key)
        if (previous.hash === leaf.hash) return undefined
        leaf = previous
      }
    },
    async after(key, bound) {
      for (let leaf: NodeOf<LeafItem> | undefined = await leafOf(key); leaf; leaf = await leaves.next())
        for (const item of leaf.items.slice(placeOf(leaf.items, key))) {
          if (bound !== undefined && item.key >= bound) return undefined
          if (!isPassedOver(item)) return item
        }
      return undefined
    },
  }
}
