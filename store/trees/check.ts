/**
 * Whether files can be published: each path alone, paths beside each other, and the bounds of a tree.
 *
 * Two paths of one tree may not be one file on an ordinary disk (case, Unicode form), and nothing may lie under a file.
 * By the order of keys such paths are neighbours, so a change is checked in proportion to its own size.
 */

import { limits } from '../../core/limits.ts'
import { type BlobHash, isBlobHash } from '../../core/names.ts'
import { refusedPathReason } from '../../core/site-path.ts'
import { compareTexts, keyOf, liesUnder, type TreeKey } from './key.ts'
import { openNeighbours } from './neighbours.ts'
import { type LeafItem, sumOf, type Totals, totalsOfItem } from './node.ts'
import { openTree, type Turn } from './reader.ts'
import { quote, type Refused, refusal, refuseFiles } from './refusal.ts'
import type { ReadNode, TreeChange, TreeDifference, TreeFile } from './tree-file.ts'

/**
 * Checks a publisher's whole list: every path alone, paths against each other, sizes, and the bounds of
 * `limits.tree`. Throws `ERR_PUBLISH_REFUSED`, as {@link refuseFiles} does.
 */
export function checkFiles(files: readonly TreeFile[]): void {
  const refused: Refused[] = []
  const puts = putsOf(files, refused)
  if (refused.length > 0) refuseFiles(refused)
  requireTotals(sumOf(puts.map(totalsOfItem)))
}

/**
 * Checks a change of a tree as {@link checkFiles} would check the whole tree after it; `undefined` stands for the empty
 * tree. A path to delete need not be there. Throws `ERR_PUBLISH_REFUSED`, what reading throws, and `ERR_DATA_FORMAT`.
 */
export async function checkChange(
  read: ReadNode,
  root: BlobHash | undefined,
  change: TreeChange,
  turn?: Turn,
): Promise<void> {
  const refused: Refused[] = []
  const puts = putsOf(change.put, refused)
  const deleted = deletedOf(change, refused)
  const gone: LeafItem[] = []
  const tree = root === undefined ? undefined : await openTree(read, root, turn)
  if (tree) {
    const neighbours = openNeighbours(tree, ({ file }) => deleted.has(file.path))
    const putKeys = new Set(puts.map(({ key }) => key))
    const deletedKeys = new Set([...deleted].map(keyOf)).difference(putKeys)
    for (const key of [...deletedKeys].sort(compareTexts)) {
      const there = await neighbours.at(key)
      if (there && deleted.has(there.file.path)) gone.push(there)
    }
    /** The file of the tree that what was put last lay under. */
    let roof: LeafItem | undefined
    for (const [place, put] of puts.entries()) {
      const there = await neighbours.at(put.key)
      if (there) {
        if (there.file.path === put.file.path || deleted.has(there.file.path)) gone.push(there)
        else refused.push(clash(put.file.path, there.file.path))
        continue
      }
      const before = await neighbours.before(put.key, puts[place - 1]?.key)
      if (before && liesUnder(put.key, before.key)) roof = before
      if (roof && liesUnder(put.key, roof.key)) refused.push(under(put.file.path, roof.file.path))
      const after = await neighbours.after(put.key, puts[place + 1]?.key)
      if (after && liesUnder(after.key, put.key))
        refused.push({ path: put.file.path, reason: `is a folder, in which ${quote(after.file.path)} lies` })
    }
  }
  if (refused.length > 0) refuseFiles(refused)
  const less = sumOf(gone.map(totalsOfItem))
  const more = sumOf([...(tree ? [tree.root] : []), ...puts.map(totalsOfItem)])
  requireTotals({
    files: more.files - less.files,
    bytes: more.bytes - less.bytes,
    pathBytes: more.pathBytes - less.pathBytes,
  })
}

/**
 * Those paths of a change that something else has changed meanwhile, sorted: the same path, one that differs by case or
 * Unicode form, or a file where the other has a folder.
 */
export function overlapOf(meanwhile: TreeDifference, { put, del }: TreeChange): string[] {
  const there = [...meanwhile.added, ...meanwhile.changed].map(({ path }) => keyOf(path)).sort(compareTexts)
  const touched = new Set([...there, ...meanwhile.removed.map(({ path }) => keyOf(path))])
  const overlap = new Set(del.filter((path) => touched.has(keyOf(path))))
  let roof: TreeKey | undefined
  let next = 0
  for (const { key, file } of put.map((file) => ({ key: keyOf(file.path), file })).sort(byKey)) {
    for (let other = there[next]; other !== undefined && other < key; other = there[++next])
      if (roof === undefined || !liesUnder(other, roof)) roof = other
    const after = there[next]
    const isUnder = roof !== undefined && liesUnder(key, roof)
    const isAbove = after !== undefined && liesUnder(after, key)
    if (isUnder || isAbove || touched.has(key)) overlap.add(file.path)
  }
  return [...overlap].sort(compareTexts)
}

/** The files that could stand in one tree, sorted by key; the others are added to `refused`. */
function putsOf(files: readonly TreeFile[], refused: Refused[]): LeafItem[] {
  if (files.length > limits.tree.files) throw refusal(`tree of ${files.length} files; at most ${limits.tree.files}`)
  const taken = new Map<TreeKey, LeafItem>()
  for (const file of files) {
    const reason = aloneReason(file)
    if (reason !== undefined) {
      refused.push({ path: file.path, reason })
      continue
    }
    const key = keyOf(file.path)
    const other = taken.get(key)
    if (other === undefined) taken.set(key, { key, file })
    else if (other.file.path === file.path) refused.push({ path: file.path, reason: 'is there twice' })
    else refused.push(clash(file.path, other.file.path))
  }
  const puts = [...taken.values()].sort(byKey)
  let roof: LeafItem | undefined
  for (const put of puts)
    if (roof && liesUnder(put.key, roof.key)) refused.push(under(put.file.path, roof.file.path))
    else roof = put
  return puts
}

/** The paths that a change takes away. */
function deletedOf({ put, del }: TreeChange, refused: Refused[]): Set<string> {
  if (del.length > limits.tree.files)
    throw refusal(`change that deletes ${del.length} paths; at most ${limits.tree.files}`)
  const puts = new Set(put.map(({ path }) => path))
  const deleted = new Set<string>()
  for (const path of del) {
    const reason = refusedPathReason(path) ?? (puts.has(path) ? 'is both put and deleted' : undefined)
    if (reason === undefined) deleted.add(path)
    else refused.push({ path, reason })
  }
  return deleted
}

function aloneReason({ path, hash, bytes }: TreeFile): string | undefined {
  const reason = refusedPathReason(path)
  if (reason !== undefined) return reason
  // What Unicode has not assigned yet may get a lower case or another NFC in a later Node, and with it another key.
  if (/\p{Cn}/u.test(path)) return `has a character that Unicode ${process.versions['unicode']} does not know`
  if (!isBlobHash(hash)) return 'has no SHA-256 as its hash'
  if (!Number.isSafeInteger(bytes) || bytes < 0) return 'has no length'
  if (bytes > limits.tree.fileBytes) return `is larger than ${limits.tree.fileBytes} bytes`
  return undefined
}

function clash(path: string, other: string): Refused {
  return { path, reason: `differs from ${quote(other)} only by case or Unicode form` }
}

function under(path: string, file: string): Refused {
  return { path, reason: `lies under ${quote(file)}, which is a file` }
}

function requireTotals({ files, bytes, pathBytes }: Totals): void {
  const { files: mostFiles, totalBytes, allPathsBytes } = limits.tree
  if (files > mostFiles) throw refusal(`tree of ${files} files; at most ${mostFiles}`)
  if (bytes > totalBytes) throw refusal(`tree of ${bytes} bytes; at most ${totalBytes}`)
  if (pathBytes > allPathsBytes) throw refusal(`paths of ${pathBytes} bytes together; at most ${allPathsBytes}`)
}

function byKey(a: LeafItem, b: LeafItem): number {
  return compareTexts(a.key, b.key)
}
