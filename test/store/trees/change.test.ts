import { hash as digest } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { limits } from '../../../core/limits.ts'
import { buildTree, changeTree } from '../../../store/trees/change.ts'
import { decodeNode } from '../../../store/trees/node.ts'
import type { TreeChange, TreeFile } from '../../../store/trees/tree-file.ts'
import { filesOf } from '../../../store/trees/walk.ts'
import { fileAt, manyFiles, memoryNodes } from './fixtures/memory-nodes.ts'

/** Files by number, over enough of them that trees have three levels. */
const numbers = fc.uniqueArray(fc.integer({ min: 0, max: 6_000 }), { maxLength: 400 })
const base = manyFiles(6_001)

function filesAt(numbers: Iterable<number>, edition = 0): TreeFile[] {
  return [...numbers].flatMap((number) => {
    const path = base[number]?.path
    return path === undefined ? [] : [fileAt(path, edition)]
  })
}

t.test('a tree is the same whatever the order of its files', async (t) => {
  const files = manyFiles(3_000)
  const { root, nodes } = await buildTree(files)
  const reversed = await buildTree(files.toReversed())
  t.equal(reversed.root, root)
  t.same([...reversed.nodes.keys()], [...nodes.keys()])
  t.same([files.length, files.reduce((sum, { bytes }) => sum + bytes, 0)], [reversed.files, reversed.bytes])
})

t.test('whatever the history, equal files are in equal trees', async () => {
  const start = manyFiles(6_001).filter((_, index) => index % 3 !== 0)
  const memory = memoryNodes()
  const first = memory.keep(await buildTree(start))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ put: numbers, del: numbers }), { maxLength: 4 }), async (steps) => {
      const files = new Map(start.map((file) => [file.path, file]))
      let root = first
      for (const [edition, { put, del }] of steps.entries()) {
        const gone = new Set(del).difference(new Set(put))
        const change: TreeChange = { put: filesAt(put, edition), del: filesAt(gone).map(({ path }) => path) }
        for (const path of change.del) files.delete(path)
        for (const file of change.put) files.set(file.path, file)
        const made = await changeTree(memory.read, root, change)
        root = memory.keep(made)
        const bytes = [...files.values()].reduce((sum, file) => sum + file.bytes, 0)
        if (made.files !== files.size || made.bytes !== bytes) return false
      }
      return root === (await buildTree([...files.values()])).root
    }),
    { numRuns: 40 },
  )
})

t.test('ranges that go and come leave no trace', async (t) => {
  const files = manyFiles(5_000)
  const sorted = (await Array.fromAsync(readBack(files))).map(({ path }) => path)
  const memory = memoryNodes()
  const root = memory.keep(await buildTree(files))
  const byPath = new Map(files.map((file) => [file.path, file]))
  for (const [from, to] of [
    [0, 1],
    [0, 100],
    [0, 4_999],
    [0, 5_000],
    [1, 5_000],
    [2_000, 2_001],
    [37, 3_000],
    [4_900, 5_000],
  ] as const) {
    const del = sorted.slice(from, to)
    const less = memory.keep(await changeTree(memory.read, root, { put: [], del }))
    const left = sorted.toSpliced(from, to - from).flatMap((path) => byPath.get(path) ?? [])
    t.equal(less, (await buildTree(left)).root, `${from} to ${to} taken away`)
    const put = del.flatMap((path) => byPath.get(path) ?? [])
    t.equal((await changeTree(memory.read, less, { put, del: [] })).root, root, `${from} to ${to} put back`)
  }
})

async function* readBack(files: readonly TreeFile[]): AsyncGenerator<TreeFile> {
  const memory = memoryNodes()
  yield* filesOf(memory.read, memory.keep(await buildTree(files)))
}

t.test('ten changes among 20,000 files read and make few nodes', async (t) => {
  const files = manyFiles(20_000)
  const memory = memoryNodes()
  const root = memory.keep(await buildTree(files))
  const all = memory.nodes.size
  t.ok(all > 400, `${all} nodes`)
  const put = Array.from({ length: 10 }, (_, index) => fileAt(files[index * 1_999]?.path ?? '', 1))
  const made = await changeTree(memory.read, root, { put, del: [] })
  t.ok(memory.reads <= 25, `${memory.reads} read`)
  t.ok(made.nodes.size <= 25, `${made.nodes.size} made`)
  for (const hash of made.nodes.keys()) t.notOk(memory.nodes.has(hash), 'only new ones are told')
})

t.test('files that come or go shift no more than the nodes around them', async (t) => {
  const files = manyFiles(20_000)
  const memory = memoryNodes()
  const root = memory.keep(await buildTree(files))
  for (let round = 0; round < 30; round++) {
    memory.reads = 0
    const path = files[round * 600]?.path ?? ''
    const change = round % 2 ? { put: [], del: [path] } : { put: [fileAt(`${path}.new`)], del: [] }
    const { nodes } = await changeTree(memory.read, root, change)
    t.ok(memory.reads <= 20 && nodes.size <= 12, `round ${round}: ${memory.reads} read, ${nodes.size} made`)
  }
})

t.test('what changes nothing makes nothing', async (t) => {
  const files = manyFiles(500)
  const memory = memoryNodes()
  const root = memory.keep(await buildTree(files))
  for (const change of [
    { put: [], del: [] },
    { put: files.slice(10, 20), del: [] },
    { put: [], del: ['not/there', 'S0/0/PAGE-0.html'] },
  ]) {
    const made = await changeTree(memory.read, root, change)
    t.same([made.root, made.nodes.size, made.files], [root, 0, 500])
  }
})

t.test('a path can change its case, and which of two spellings goes is told apart', async (t) => {
  const memory = memoryNodes()
  const root = memory.keep(await buildTree([fileAt('a'), fileAt('B')]))
  const renamed = await changeTree(memory.read, root, { put: [fileAt('A')], del: ['a'] })
  t.equal(renamed.root, (await buildTree([fileAt('A'), fileAt('B')])).root)
  const both = await changeTree(memory.read, root, { put: [], del: ['b', 'B', 'A'] })
  t.equal(both.root, (await buildTree([fileAt('a')])).root)
})

t.test('the empty tree has a root of its own', async (t) => {
  const empty = await buildTree([])
  t.same([empty.nodes.get(empty.root)?.toString(), empty.files, empty.bytes], ['grove tree 2 leaf\n', 0, 0])
  const memory = memoryNodes()
  const root = memory.keep(await buildTree(manyFiles(300)))
  const emptied = await changeTree(memory.read, root, { put: [], del: manyFiles(300).map(({ path }) => path) })
  t.equal(emptied.root, empty.root)
  t.same([...emptied.nodes.keys()], [empty.root])
  memory.keep(emptied)
  const refilled = await changeTree(memory.read, empty.root, { put: manyFiles(300), del: ['x'] })
  t.equal(refilled.root, root)
  t.equal((await changeTree(memory.read, undefined, { put: manyFiles(300), del: [] })).root, root)
  t.equal((await changeTree(memory.read, undefined, { put: [], del: ['x'] })).root, empty.root)
})

/** Paths of which every one would begin a leaf, or none. */
function chosenPaths(count: number, begins: boolean): string[] {
  const paths: string[] = []
  for (let index = 0; paths.length < count; index++) {
    const path = `p${index.toString().padStart(8, '0')}`
    if (digest('sha256', path, 'buffer').readUInt32BE(0) < 2 ** 28 === begins) paths.push(path)
  }
  return paths
}

for (const begins of [true, false])
  t.test(`paths that were chosen so that ${begins ? 'each' : 'none'} begins a node do no harm`, async (t) => {
    const files = chosenPaths(3_000, begins).map((path) => fileAt(path))
    const memory = memoryNodes()
    const made = await buildTree(files)
    const root = memory.keep(made)
    const counts = [...made.nodes].map(([hash, bytes]) => decodeNode(hash, bytes)).filter(({ level }) => level === 0)
    for (const { items } of counts.slice(0, -1))
      t.ok(items.length >= 24 && items.length <= 128, `${items.length} items`)
    const [first, ...others] = files
    if (!first) throw new Error('no files')
    const less = await changeTree(memory.read, root, { put: [], del: [first.path] })
    t.equal(less.root, (await buildTree(others)).root)
    memory.keep(less)
    t.equal((await changeTree(memory.read, less.root, { put: [first], del: [] })).root, root)
  })

t.test('nodes of the longest paths fit', async (t) => {
  // Each of these letters takes 3 bytes, and 2 in lower case.
  const letters = '\u2c6f'.repeat(84)
  const files = Array.from({ length: 300 }, (_, index) =>
    fileAt(`${index}/${letters}/${letters}/${letters}/${letters}`.slice(0, 340)),
  )
  const { nodes } = await buildTree(files)
  const sizes = [...nodes.values()].map(({ length }) => length)
  t.ok(Math.max(...sizes) <= limits.store.treeNodeBytes, `${Math.max(...sizes)} bytes`)
})

t.test('whoever makes a large tree lets others have their turn', async (t) => {
  let turns = 0
  const turn = async () => {
    turns += 1
  }
  const files = manyFiles(10_000)
  const memory = memoryNodes()
  const root = memory.keep(await buildTree(files, turn))
  t.ok(turns >= 4, `${turns} turns while it is built`)
  turns = 0
  await changeTree(memory.read, root, { put: files.map(({ path }) => fileAt(path, 1)), del: [] }, turn)
  t.ok(turns >= 4, `${turns} turns while all of it changes`)
})
