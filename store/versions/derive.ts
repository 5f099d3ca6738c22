/** Files that are made from a tree and become part of its version: what a site's code is compiled into. */

import { missingContents } from '../contents/content-file.ts'
import { changeTree } from '../trees/change.ts'
import { checkChange } from '../trees/check.ts'
import type { MadeTree, ReadNode, TreeFile } from '../trees/tree-file.ts'
import { findFile } from '../trees/walk.ts'
import { locate, takeSent } from './locate.ts'
import type { SiteParts } from './site-parts.ts'
import type { PublishInput } from './versions.ts'

/** A tree with what was derived from it. */
export interface DerivedTree {
  readonly made: MadeTree
  /** Files that were derived. */
  readonly put: readonly TreeFile[]
}

/** Puts what is derived from a tree on top of it. `read` gets the nodes of the tree. */
export async function deriveFiles(
  parts: SiteParts,
  made: MadeTree,
  read: ReadNode,
  { derive, isSent }: Pick<PublishInput, 'derive' | 'isSent'>,
): Promise<DerivedTree> {
  if (!derive) return { made, put: [] }
  const change = await derive({
    find: (path) => findFile(read, made.root, path),
    read: (file) => readContent(parts, file, isSent),
  })
  if (change.put.length + change.del.length === 0) return { made, put: [] }
  const { turn } = parts.env
  await checkChange(read, made.root, change, turn)
  const derived = await changeTree(read, made.root, change, turn)
  return { made: { ...derived, nodes: new Map([...made.nodes, ...derived.nodes]) }, put: change.put }
}

async function readContent(parts: SiteParts, file: TreeFile, isSent: PublishInput['isSent']): Promise<Buffer> {
  const { blobs, contents } = parts
  const { sent, missing } = await locate(parts, [file], isSent)
  const lost = [...missing, ...(await takeSent(parts, sent))]
  if (lost.length > 0) throw missingContents(lost)
  if ((await blobs.bytesOf(file.hash)) === undefined) await contents.ensure(file.hash)
  return blobs.read(file.hash)
}
