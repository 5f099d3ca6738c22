/**
 * What publishes, differences and openings of sites cost: `node bench/store-versions.ts`. Prints tables in markdown.
 *
 * A site of 100,000 files in a folder that is counted like a bucket; ten files at random places change. "Own time" is
 * from the call to the answer, with SQLite and the objects on the local disk, fsync included.
 */

import { hash as digest } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { layoutOf } from '../core/layout.ts'
import { openBlobs } from '../store/contents/blobs.ts'
import { openSqliteStore } from '../store/drivers/sqlite.ts'
import { nodeEnvironment as env } from '../store/environment-node.ts'
import { folderObjects } from '../store/objects/folder-objects.ts'
import type { Objects } from '../store/objects/objects.ts'
import type { TreeFile } from '../store/trees/tree-file.ts'
import { openSiteVersions } from '../store/versions/open-versions.ts'
import type { SiteVersions } from '../store/versions/versions.ts'

const files = Number(process.argv[2] ?? 100_000)
const rounds = 20
const changes = 10
const sites = 1_000

const hashOf = (text: string | Uint8Array) => digest('sha256', text)

interface Counted {
  readonly objects: Objects
  puts: number
  putBytes: number
}

/** A folder whose writes are counted as a bucket's. */
async function counted(folder: string): Promise<Counted> {
  const inner = await folderObjects(env, folder)
  const counts: Counted = {
    puts: 0,
    putBytes: 0,
    objects: {
      ...inner,
      isRemote: true,
      async create(key, source) {
        counts.puts += 1
        counts.putBytes += 'bytes' in source ? source.bytes.length : source.length
        return inner.create(key, source)
      },
    },
  }
  return counts
}

/** Paths as a generator of sites writes them: sections, years, slugs. */
function pathOf(index: number): string {
  return `section-${index % 97}/${2_000 + (index % 26)}/article-${hashOf(`slug ${index}`).slice(0, 12)}/index.html`
}

const contentOf = (index: number, edition: number) =>
  Buffer.from(`<!doctype html><title>${index}</title>${hashOf(`${index} ${edition}`).repeat(4)}`)

function median(numbers: readonly number[]): string {
  return (numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN).toFixed(1)
}

async function timed<T>(
  work: () => Promise<T>,
): Promise<{ readonly ms: number; readonly cpuMs: number; readonly value: T }> {
  const start = performance.now()
  const before = process.cpuUsage()
  const value = await work()
  const ms = performance.now() - start
  const { user, system } = process.cpuUsage(before)
  return { ms, cpuMs: (user + system) / 1_000, value }
}

const folder = await mkdtemp(join(tmpdir(), 'grove-bench-'))
const layout = layoutOf(folder)
const store = await openSqliteStore(layout.database)
const blobs = await openBlobs(env, layout, { maxBytes: 2 ** 40 })
const far = await counted(layout.objects)
let operations = 0
const act = () => ({ opId: `operation-${++operations}`, atMs: Date.now(), message: '' })
const open = (name: string, objects = far.objects) =>
  openSiteVersions({ store, handle: store.root, env, blobs, objects, keyring: undefined, owner: 'bench', name })

async function send(edition: number, indexes: readonly number[]): Promise<TreeFile[]> {
  const sent: TreeFile[] = []
  for (const index of indexes) {
    const content = contentOf(index, edition)
    sent.push({ path: pathOf(index), hash: await blobs.putBytes(content), bytes: content.length })
  }
  return sent
}

function pick(round: number): number[] {
  return Array.from(
    { length: changes },
    (_, place) => Number.parseInt(hashOf(`${round} ${place}`).slice(0, 8), 16) % files,
  )
}

async function publishes(site: SiteVersions): Promise<string[][]> {
  const rows: string[][] = []
  const sent = await send(
    0,
    Array.from({ length: files }, (_, index) => index),
  )
  const first = await timed(() => site.publish({ files: sent, ...act() }))
  rows.push([`first publish of ${files} files, ms`, first.ms.toFixed(0)])
  const [times, cpu, puts, beyond, diffs]: number[][] = [[], [], [], [], []]
  let merged = 0
  for (let round = 1; round <= rounds; round += 1) {
    const put = await send(round, [...new Set(pick(round))])
    const content = put.reduce((sum, { bytes }) => sum + bytes, 0)
    const before = { puts: far.puts, bytes: far.putBytes }
    const { ms, cpuMs } = await timed(() =>
      site.publish({ base: site.live?.version ?? 0, change: { put, del: [] }, ...act() }),
    )
    times?.push(ms)
    cpu?.push(cpuMs)
    puts?.push(far.puts - before.puts)
    beyond?.push(far.putBytes - before.bytes - content)
    // Small segments are merged after the answer, in line with what changes the site: so this waits for it.
    const own = far.putBytes
    await site.unpin('nobody', act())
    merged += far.putBytes - own
    diffs?.push((await timed(() => site.diff(site.live?.parent, site.live?.version ?? 0))).ms)
  }
  rows.push([`publish of ${changes} changed files, own ms, median of ${rounds}`, median(times ?? [])])
  rows.push(['… CPU ms of the whole process, median', median(cpu ?? [])])
  rows.push(['… the slowest', Math.max(...(times ?? [])).toFixed(1)])
  rows.push(['… PUTs of segments (and one root, later)', median(puts ?? [])])
  rows.push(['… bytes beyond the content, median', median(beyond ?? [])])
  rows.push(['… bytes beyond the content, most', String(Math.max(...(beyond ?? [])))])
  rows.push(['merges of small segments after it, bytes for each publish, mean', (merged / rounds).toFixed(0)])
  rows.push(['difference of two versions, ms, median', median(diffs ?? [])])
  const all = sent.map((file) => ({ ...file }))
  rows.push([
    'publish of the whole list, unchanged but one, ms',
    (await timed(() => site.publish({ files: all, ...act() }))).ms.toFixed(0),
  ])
  rows.push(['prune, ms', (await timed(() => site.prune({ versions: 2, ms: 0 }, act()))).ms.toFixed(0)])
  return rows
}

async function openings(): Promise<string[][]> {
  const ten = await send(
    -1,
    Array.from({ length: 10 }, (_, index) => index),
  )
  const local = await folderObjects(env, join(folder, 'local'))
  for (let index = 0; index < sites; index += 1) {
    await using site = await open(`site-${index}`, local)
    await site.publish({ files: ten, ...act() })
  }
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const opened: SiteVersions[] = []
  const { ms } = await timed(async () => {
    for (let index = 0; index < sites; index += 1) opened.push(await open(`site-${index}`, local))
  })
  globalThis.gc?.()
  const bytes = (process.memoryUsage().heapUsed - before) / sites
  for (const site of opened) await site[Symbol.asyncDispose]()
  return [
    ['opening a site of 10 files, ms', (ms / sites).toFixed(2)],
    ['… heap of an open site, bytes (run with --expose-gc)', bytes.toFixed(0)],
  ]
}

function table(title: string, rows: readonly string[][]): void {
  console.log(`\n| ${title} | |\n|---|---|`)
  for (const [what, value] of rows) console.log(`| ${what} | ${value} |`)
}

try {
  console.log(`Node ${process.version}, ${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores`)
  {
    await using site = await open('large')
    table('one large site', await publishes(site))
  }
  table(`${sites} small sites`, await openings())
} finally {
  await blobs[Symbol.asyncDispose]()
  await store[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
}
