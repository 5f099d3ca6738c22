import fc from 'fast-check'
import t from 'tap'
import { buildTree, changeTree } from '../../../store/trees/change.ts'
import { diffTrees } from '../../../store/trees/difference.ts'
import type { TreeDifference, TreeFile } from '../../../store/trees/tree-file.ts'
import { fileAt, manyFiles, memoryNodes } from './fixtures/memory-nodes.ts'

/** What differs, by looking at all of both. */
function naive(before: readonly TreeFile[], after: readonly TreeFile[]): TreeDifference {
  const [old, young] = [new Map(before.map((f) => [f.path, f])), new Map(after.map((f) => [f.path, f]))]
  const byPath = (a: TreeFile, b: TreeFile) => (a.path < b.path ? -1 : 1)
  return {
    added: after.filter(({ path }) => !old.has(path)).sort(byPath),
    changed: after.filter(({ path, hash }) => old.has(path) && old.get(path)?.hash !== hash).sort(byPath),
    removed: before.filter(({ path }) => !young.has(path)).sort(byPath),
  }
}

const base = manyFiles(3_000)
const some = fc.array(fc.record({ from: fc.nat(3_000), length: fc.nat(200), edition: fc.nat(3) }), { maxLength: 8 })

/** The base with ranges that have another edition, or are not there (edition 0). */
function variant(ranges: readonly { from: number; length: number; edition: number }[]): TreeFile[] {
  const files = new Map(base.map((file) => [file.path, file]))
  for (const { from, length, edition } of ranges)
    for (const { path } of base.slice(from, from + length))
      if (edition === 0) files.delete(path)
      else files.set(path, fileAt(path, edition))
  return [...files.values()]
}

t.test('a difference is what looking at all files of both finds, and leads from one to the other', async (t) => {
  const memory = memoryNodes()
  await fc.assert(
    fc.asyncProperty(some, some, async (a, b) => {
      const [before, after] = [variant(a), variant(b)]
      const from = memory.keep(await buildTree(before))
      const to = memory.keep(await buildTree(after))
      const difference = await diffTrees(memory.read, from, to)
      t.strictSame(difference, naive(before, after))
      const { added, changed, removed } = difference
      const change = { put: [...added, ...changed], del: removed.map(({ path }) => path) }
      return (await changeTree(memory.read, from, change)).root === to
    }),
    { numRuns: 60 },
  )
})

t.test('what two trees share is not read', async (t) => {
  const files = manyFiles(20_000)
  const memory = memoryNodes()
  const from = memory.keep(await buildTree(files))
  const put = [fileAt(files[7]?.path ?? '', 1), fileAt('s5/3/new.html')]
  const del = [files[12_345]?.path ?? '']
  const to = memory.keep(await changeTree(memory.read, from, { put, del }))
  memory.reads = 0
  const { added, changed, removed } = await diffTrees(memory.read, from, to)
  t.same([added, changed, removed.map(({ path }) => path)], [[put[1]], [put[0]], del])
  t.ok(memory.reads <= 24, `${memory.reads} of ${memory.nodes.size} nodes read`)
  memory.reads = 0
  t.same(await diffTrees(memory.read, to, to), { added: [], changed: [], removed: [] })
  t.equal(memory.reads, 0)
})

t.test('a tree of another height shares nodes, too', async (t) => {
  const files = manyFiles(4_000)
  const memory = memoryNodes()
  const large = memory.keep(await buildTree(files))
  const small = memory.keep(await buildTree(files.slice(0, 30)))
  t.same((await diffTrees(memory.read, small, large)).added.length, 3_970)
  t.same((await diffTrees(memory.read, large, small)).removed.length, 3_970)
  t.same((await diffTrees(memory.read, undefined, large)).added.length, 4_000)
  t.same((await diffTrees(memory.read, large, undefined)).removed.length, 4_000)
  const empty = memory.keep(await buildTree([]))
  t.same(await diffTrees(memory.read, undefined, empty), { added: [], changed: [], removed: [] })
})

t.test('a path that changed its case went and came', async (t) => {
  const memory = memoryNodes()
  const from = memory.keep(await buildTree([fileAt('a'), fileAt('b')]))
  const to = memory.keep(await buildTree([{ ...fileAt('a'), path: 'A' }, fileAt('b')]))
  const { added, changed, removed } = await diffTrees(memory.read, from, to)
  t.same([added.map(({ path }) => path), changed, removed.map(({ path }) => path)], [['A'], [], ['a']])
})

t.test('lists are sorted by path, whatever the keys', async (t) => {
  const memory = memoryNodes()
  const paths = ['b', 'C', 'a/z', 'a.html', 'a b', '\u{1f600}', '\uff5e', 'é']
  const root = memory.keep(await buildTree(paths.map((path) => fileAt(path))))
  const { added } = await diffTrees(memory.read, undefined, root)
  t.same(
    added.map(({ path }) => path),
    paths.toSorted(),
  )
})
