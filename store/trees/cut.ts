/**
 * Cuts: where one node of a tree ends and the next one begins.
 *
 * That follows from the keys since the last cut alone. So equal sets of files are cut equally, whatever was before them,
 * and behind a change the old cuts are soon met again. An author who chooses all paths of a site to that end can see to
 * it that they are not: then nodes are as bounded as ever, and a change costs that site as much as its whole tree.
 */

import { hash } from 'node:crypto'
import { type TreeKey, textOfKey } from './key.ts'

/** Fewest and most items of a node, save that the last one of a level may have fewer. */
const leastItems = 24
const mostItems = 128
/** Most bytes of a node's keys together, as UTF-8. 16 of the longest keys fit, so there are 6 levels at most. */
const mostKeyBytes = 24_576
/** One key in 16 begins a node, so nodes have 40 items on average. Smaller ones mean more levels, larger ones more bytes for each change. */
const beginsBelow = 2 ** 32 / 16

/** Cuts a row of items into nodes, one item after the other. */
export interface Cutter<T> {
  /** Whether a node would begin with this key. */
  wouldCut(key: TreeKey): boolean
  /** Takes the next item, into a new node if one begins with it. */
  add(item: T): void
  /** Ends the last node. */
  end(): void
}

/**
 * A cutter for a row that begins where a node begins, on one level of a tree (leaves: 0). Calls `emit` with the items of
 * each node.
 */
export function createCutter<T extends { readonly key: TreeKey }>(
  level: number,
  emit: (items: readonly T[]) => void,
): Cutter<T> {
  let items: T[] = []
  let keyBytes = 0
  const wouldCut = (key: TreeKey) =>
    items.length === 0 ||
    items.length === mostItems ||
    keyBytes + Buffer.byteLength(key) > mostKeyBytes ||
    (items.length >= leastItems && beginsNode(key, level))
  const end = () => {
    if (items.length > 0) emit(items)
    items = []
    keyBytes = 0
  }
  return {
    wouldCut,
    add(item) {
      if (wouldCut(item.key)) end()
      items.push(item)
      keyBytes += Buffer.byteLength(item.key)
    },
    end,
  }
}

/** Each level looks at another word of the hash, else every key that begins a node would begin the ones above, too. */
function beginsNode(key: TreeKey, level: number): boolean {
  return hash('sha256', textOfKey(key), 'buffer').readUInt32BE(level * 4) < beginsBelow
}
