import t from 'tap'
import { buildTree, changeTree } from '../../../store/trees/change.ts'
import { filesOf, findFile, leavesOf, nodesOf } from '../../../store/trees/walk.ts'
import { fileAt, manyFiles, memoryNodes } from './fixtures/memory-nodes.ts'

t.test('all files come out, folders right behind files that sort before them', async (t) => {
  const memory = memoryNodes()
  const paths = ['b', 'a/z', 'a-b', 'A/b/c', 'Ä/x', 'index.html', 'a.html']
  const root = memory.keep(await buildTree(paths.map((path) => fileAt(path))))
  const files = await Array.fromAsync(filesOf(memory.read, root))
  t.same(
    files.map(({ path }) => path),
    ['A/b/c', 'a/z', 'a-b', 'a.html', 'b', 'index.html', 'Ä/x'],
  )
  t.same(
    files.find(({ path }) => path === 'b'),
    fileAt('b'),
  )
})

t.test('a file is found by its path and one node of each level', async (t) => {
  const files = manyFiles(5_000)
  const memory = memoryNodes()
  const root = memory.keep(await buildTree(files))
  for (const file of files.filter((_, index) => index % 97 === 0)) {
    memory.reads = 0
    t.same(await findFile(memory.read, root, file.path), file)
    t.ok(memory.reads <= 4)
  }
  for (const path of ['', 'a', 's0', 's0/0/', 's0/0/page-1.html', 'zzz', 'S0/0/PAGE-0.html', 's0/0/page-0.html/x'])
    t.equal(await findFile(memory.read, root, path), undefined, path)
  t.equal(await findFile(memory.read, memory.keep(await buildTree([])), 'a'), undefined)
})

t.test('leaves hold all files, and versions share them', async (t) => {
  const files = manyFiles(5_000)
  const memory = memoryNodes()
  const root = memory.keep(await buildTree(files))
  const leaves = await Array.fromAsync(leavesOf(memory.read, root))
  t.same(
    leaves.flatMap(({ files }) => files),
    await Array.fromAsync(filesOf(memory.read, root)),
  )
  const next = memory.keep(await changeTree(memory.read, root, { put: [fileAt('new')], del: [] }))
  const known = new Set(leaves.map(({ hash }) => hash))
  const fresh = (await Array.fromAsync(leavesOf(memory.read, next))).filter(({ hash }) => !known.has(hash))
  t.ok(fresh.length >= 1 && fresh.length <= 3, `${fresh.length} leaves are new`)
})

t.test('nodes are all that a tree consists of, without what is known already', async (t) => {
  const files = manyFiles(5_000)
  const memory = memoryNodes()
  const made = await buildTree(files)
  const root = memory.keep(made)
  const nodes = await Array.fromAsync(nodesOf(memory.read, root))
  t.same(new Map(nodes.map(({ hash, bytes }) => [hash, bytes])), made.nodes)
  t.equal(nodes[0]?.hash, root, 'a node comes before those below it')
  t.equal(
    nodes.reduce((sum, { files }) => sum + (files?.length ?? 0), 0),
    5_000,
  )
  const change = await changeTree(memory.read, root, { put: [fileAt('new')], del: [] })
  memory.keep(change)
  memory.reads = 0
  const fresh = await Array.fromAsync(nodesOf(memory.read, change.root, (hash) => made.nodes.has(hash)))
  t.same(new Set(fresh.map(({ hash }) => hash)), new Set(change.nodes.keys()))
  t.equal(memory.reads, fresh.length)
  t.same(await Array.fromAsync(nodesOf(memory.read, root, () => true)), [])
})

t.test('whoever walks through a large tree lets others have their turn', async (t) => {
  let turns = 0
  const memory = memoryNodes()
  const root = memory.keep(await buildTree(manyFiles(10_000)))
  const turn = async () => {
    turns += 1
  }
  for await (const _ of filesOf(memory.read, root, turn)) if (turns > 4) break
  t.ok(turns > 4)
})
