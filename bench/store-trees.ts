/**
 * What a change of a large tree costs: `node bench/store-trees.ts`. Prints a table in markdown.
 *
 * A tree of 100,000 files, of which ten at random places change. Nodes are read from memory, as they are once a site
 * has been in use; "beyond the content" is what a publish would have to store for the tree.
 */

import { hash as digest } from 'node:crypto'
import { cpus } from 'node:os'
import { zstdCompressSync } from 'node:zlib'
import type { BlobHash } from '../core/names.ts'
import { buildTree, changeTree } from '../store/trees/change.ts'
import { checkChange, checkFiles } from '../store/trees/check.ts'
import { diffTrees } from '../store/trees/difference.ts'
import type { ReadNode, TreeFile } from '../store/trees/tree-file.ts'
import { filesOf, findFile } from '../store/trees/walk.ts'

const files = 100_000
const changes = 10
const rounds = 30

const hashOf = (text: string): BlobHash => digest('sha256', text)

/** Paths as a generator of sites writes them: sections, years, slugs. */
function fileOf(index: number, edition = 0): TreeFile {
  const slug = hashOf(`slug ${index}`).slice(0, 12)
  const path = `section-${index % 97}/${2_000 + (index % 26)}/article-${slug}/index.html`
  return { path, hash: hashOf(`${path} ${edition}`), bytes: 4_000 + ((index * 7_919) % 60_000) }
}

/** Evenly spread and the same at each run. */
function pick(round: number, place: number): number {
  return Number.parseInt(hashOf(`pick ${round} ${place}`).slice(0, 8), 16) % files
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
}

async function timed<T>(work: () => Promise<T> | T): Promise<{ readonly ms: number; readonly value: T }> {
  const start = performance.now()
  const value = await work()
  return { ms: performance.now() - start, value }
}

const nodes = new Map<BlobHash, Uint8Array>()
let reads = 0
const read: ReadNode = async (hash) => {
  reads += 1
  const bytes = nodes.get(hash)
  if (!bytes) throw new Error(`no node ${hash}`)
  return bytes
}
const keep = (made: ReadonlyMap<BlobHash, Uint8Array>) => {
  for (const [hash, bytes] of made) nodes.set(hash, bytes)
}

const rows: (readonly [what: string, value: string])[] = []
const row = (what: string, value: string) => rows.push([what, value])
const ms = (value: number) => `${value < 10 ? value.toFixed(2) : value.toFixed(0)} ms`
const kb = (bytes: number) => `${(bytes / 1_000).toFixed(1)} KB`

const all = Array.from({ length: files }, (_, index) => fileOf(index))
row('check all files', ms((await timed(() => checkFiles(all))).ms))
const built = await timed(() => buildTree(all))
keep(built.value.nodes)
const { root } = built.value
row('build the tree', ms(built.ms))
row(
  'nodes of the tree',
  `${built.value.nodes.size}, ${kb([...built.value.nodes.values()].reduce((sum, { length }) => sum + length, 0))}`,
)

interface Sample {
  readonly check: number
  readonly change: number
  readonly diff: number
  readonly made: number
  readonly bytes: number
  readonly packed: number
  readonly changeReads: number
  readonly diffReads: number
}

async function sample(round: number): Promise<Sample> {
  const put = Array.from({ length: changes }, (_, place) => fileOf(pick(round, place), round + 1))
  const check = await timed(() => checkChange(read, root, { put, del: [] }))
  reads = 0
  const change = await timed(() => changeTree(read, root, { put, del: [] }))
  const changeReads = reads
  keep(change.value.nodes)
  reads = 0
  const diff = await timed(() => diffTrees(read, root, change.value.root))
  const made = [...change.value.nodes.values()]
  return {
    check: check.ms,
    change: change.ms,
    diff: diff.ms,
    made: made.length,
    bytes: made.reduce((sum, { length }) => sum + length, 0),
    packed: made.reduce((sum, bytes) => sum + zstdCompressSync(bytes).length, 0),
    changeReads,
    diffReads: reads,
  }
}

await sample(rounds)
const samples: Sample[] = []
for (let round = 0; round < rounds; round++) samples.push(await sample(round))
const middle = (of: keyof Sample) => median(samples.map((one) => one[of]))
row(`check ${changes} changed files`, ms(middle('check')))
row(`change ${changes} files`, `${ms(middle('change'))}, ${middle('changeReads')} nodes read`)
row('new nodes', `${middle('made')}, ${kb(middle('bytes'))}, as zstd frames ${kb(middle('packed'))}`)
row('difference of two versions', `${ms(middle('diff'))}, ${middle('diffReads')} nodes read`)
const path = fileOf(4_711).path
const finds: number[] = []
for (let round = 0; round < rounds; round++) finds.push((await timed(() => findFile(read, root, path))).ms)
row('find one file', ms(median(finds)))
row('all files', ms((await timed(() => Array.fromAsync(filesOf(read, root)))).ms))

console.log(
  `Node ${process.version}, ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${files} files, ${changes} changes, medians of ${rounds}\n`,
)
console.log('| what | value |\n|---|---|')
for (const [what, value] of rows) console.log(`| ${what} | ${value} |`)
