/** What a new tree changes on the live one, also when that one cannot be read any more. */

import type { BlobHash } from '../../core/names.ts'
import { isDamage } from '../contents/damages.ts'
import { diffTrees } from '../trees/difference.ts'
import type { ReadNode, TreeDifference } from '../trees/tree-file.ts'
import { filesOf } from '../trees/walk.ts'

/**
 * What differs from the live tree to another one. When the live tree is damaged, everything counts as changed: a site
 * whose objects are lost can be published again, or put back to a version that is whole. Throws like reading the other.
 */
export async function differenceFromLive(
  read: ReadNode,
  live: BlobHash | undefined,
  after: BlobHash,
  turn: () => Promise<void>,
): Promise<TreeDifference> {
  try {
    return await diffTrees(read, live, after, turn)
  } catch (error) {
    if (!isDamage(error)) throw error
    return { added: [], changed: await Array.fromAsync(filesOf(read, after, turn)), removed: [] }
  }
}

/** The files of the live tree, as those that go; none when it cannot be read any more. */
export async function removedFromLive(
  read: ReadNode,
  live: BlobHash | undefined,
  turn: () => Promise<void>,
): Promise<TreeDifference> {
  try {
    return await diffTrees(read, live, undefined, turn)
  } catch (error) {
    if (!isDamage(error)) throw error
    return { added: [], changed: [], removed: [] }
  }
}
