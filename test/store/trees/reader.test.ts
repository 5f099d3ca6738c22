import t from 'tap'
import type { BlobHash } from '../../../core/names.ts'
import { changeTree } from '../../../store/trees/change.ts'
import { checkChange } from '../../../store/trees/check.ts'
import { diffTrees } from '../../../store/trees/difference.ts'
import { filesOf, findFile, leavesOf, nodesOf } from '../../../store/trees/walk.ts'
import { fileAt, type MemoryNodes, memoryNodes } from './fixtures/memory-nodes.ts'

/**
 * Trees that somebody with access to the bucket made: every node has the hash that it is asked for by, and a form that
 * alone would pass.
 */
interface Tampered {
  readonly name: string
  readonly reason: RegExp
  make(memory: MemoryNodes): BlobHash
}

const content = 'ab'.repeat(32)
const leaf = (memory: MemoryNodes, ...paths: string[]) =>
  memory.put(`grove tree 2 leaf\n${paths.map((path) => `${content} 1 ${path}\n`).join('')}`)
const inner = (memory: MemoryNodes, level: number, ...lines: string[]) =>
  memory.put(`grove tree 2 inner ${level}\n${lines.map((line) => `${line}\n`).join('')}`)

const tampered: readonly Tampered[] = [
  {
    name: 'keys below that belong behind the next node',
    reason: /keys that belong after it/,
    make: (m) => inner(m, 1, `${leaf(m, 'a', 'x')} 2 2 2 a`, `${leaf(m, 'm')} 1 1 1 m`),
  },
  {
    name: 'keys below that belong behind a node further up',
    reason: /keys that belong after it/,
    make: (m) => {
      const left = inner(m, 1, `${leaf(m, 'a')} 1 1 1 a`, `${leaf(m, 'b', 'x')} 2 2 2 b`)
      const right = inner(m, 1, `${leaf(m, 'm')} 1 1 1 m`, `${leaf(m, 'n')} 1 1 1 n`)
      return inner(m, 2, `${left} 3 3 3 a`, `${right} 2 2 2 m`)
    },
  },
  {
    name: 'another first key',
    reason: /does not begin with the key/,
    make: (m) => inner(m, 1, `${leaf(m, 'b')} 1 1 1 a`, `${leaf(m, 'm')} 1 1 1 m`),
  },
  {
    name: 'one node twice',
    reason: /does not begin with the key/,
    make: (m) => inner(m, 1, `${leaf(m, 'a')} 1 1 1 a`, `${leaf(m, 'a')} 1 1 1 b`),
  },
  {
    name: 'more files told than there are',
    reason: /not the files and bytes/,
    make: (m) => inner(m, 1, `${leaf(m, 'a')} 2 1 1 a`, `${leaf(m, 'm')} 1 1 1 m`),
  },
  {
    name: 'other bytes told than there are',
    reason: /not the files and bytes/,
    make: (m) => inner(m, 1, `${leaf(m, 'a')} 1 0 1 a`, `${leaf(m, 'm')} 1 1 1 m`),
  },
  {
    name: 'shorter paths told than there are',
    reason: /not the files and bytes/,
    make: (m) => inner(m, 1, `${leaf(m, 'aa')} 1 1 1 aa`, `${leaf(m, 'm')} 1 1 1 m`),
  },
  {
    name: 'an empty leaf below',
    reason: /not the files and bytes/,
    make: (m) => inner(m, 1, `${leaf(m)} 1 1 1 a`, `${leaf(m, 'm')} 1 1 1 m`),
  },
  {
    name: 'a level left out',
    reason: /of level 0, not 1/,
    make: (m) => inner(m, 2, `${leaf(m, 'a')} 1 1 1 a`, `${leaf(m, 'm')} 1 1 1 m`),
  },
  {
    name: 'levels that do not go down',
    reason: /of level 1, not 0/,
    make: (m) => {
      const below = inner(m, 1, `${leaf(m, 'a')} 1 1 1 a`)
      return inner(m, 1, `${below} 1 1 1 a`, `${leaf(m, 'm')} 1 1 1 m`)
    },
  },
  {
    name: 'a root with one node below it',
    reason: /root with one node/,
    make: (m) => inner(m, 1, `${leaf(m, 'a')} 1 1 1 a`),
  },
  {
    name: 'more files than any tree has',
    reason: /tells of 200000 files/,
    make: (m) => inner(m, 1, `${leaf(m, 'a')} 100000 1 1 a`, `${leaf(m, 'm')} 100000 1 1 m`),
  },
  {
    name: 'longer paths than any tree has',
    reason: /paths of 33554432 bytes/,
    make: (m) => inner(m, 1, `${leaf(m, 'a')} 1 1 16777216 a`, `${leaf(m, 'm')} 1 1 16777216 m`),
  },
]

for (const { name, reason, make } of tampered)
  t.test(`a tree with ${name} is refused by whoever comes upon it`, async (t) => {
    const memory = memoryNodes()
    const root = make(memory)
    const refused = { code: 'ERR_DATA_FORMAT', message: reason }
    const walks: Record<string, () => Promise<unknown>> = {
      files: () => Array.fromAsync(filesOf(memory.read, root)),
      leaves: () => Array.fromAsync(leavesOf(memory.read, root)),
      nodes: () => Array.fromAsync(nodesOf(memory.read, root)),
      difference: () => diffTrees(memory.read, undefined, root),
      change: () => changeTree(memory.read, root, { put: ['0', 'a0', 'b0', 'z'].map((path) => fileAt(path)), del: [] }),
      check: () => checkChange(memory.read, root, { put: ['0', 'a0', 'b0', 'z'].map((path) => fileAt(path)), del: [] }),
      find: () => Promise.all(['a', 'x'].map((path) => findFile(memory.read, root, path))),
    }
    for (const [walk, run] of Object.entries(walks)) {
      // Some faults lie where a search or a change does not come.
      if (walk === 'find' || walk === 'change' || walk === 'check')
        await run().catch((error) => t.match(error, refused, walk))
      else await t.rejects(async () => await run(), refused, walk)
    }
  })

t.test('the deepest chain of nodes is walked through, and a change of it ends', async (t) => {
  const memory = memoryNodes()
  let [a, b] = [leaf(memory, 'a'), leaf(memory, 'b')]
  for (let level = 1; level < 7; level++)
    [a, b] = [inner(memory, level, `${a} 1 1 1 a`), inner(memory, level, `${b} 1 1 1 b`)]
  const root = inner(memory, 7, `${a} 1 1 1 a`, `${b} 1 1 1 b`)
  t.equal((await Array.fromAsync(filesOf(memory.read, root))).length, 2)
  t.equal((await diffTrees(memory.read, root, undefined)).removed.length, 2)
  const made = await changeTree(memory.read, root, { put: [], del: ['b'] })
  memory.keep(made)
  t.same(
    (await Array.fromAsync(filesOf(memory.read, made.root))).map(({ path }) => path),
    ['a'],
  )
})

t.test('a node that is missing is told as whoever reads tells it', async (t) => {
  const memory = memoryNodes()
  const root = inner(memory, 1, `${content} 1 1 1 a`, `${leaf(memory, 'm')} 1 1 1 m`)
  await t.rejects(findFile(memory.read, root, 'a'), { code: 'ERR_BLOB_MISSING' })
  await t.rejects(findFile(memory.read, content, 'a'), { code: 'ERR_BLOB_MISSING' })
  t.match(await findFile(memory.read, root, 'm'), { path: 'm' })
})
