/**
 * How fast segments are packed and opened, plain and sealed: `node bench/store-segments.ts`. Prints a table in markdown.
 *
 * A site of 1,000 pages of 2 to 30 KB of made-up prose in one template, which zstd packs to about a third. The file is
 * forced to disk each time; the raw cost of the disk alone stands beside it. Median of several rounds.
 */

import { hash as digest } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { nodeEnvironment as env } from '../store/environment-node.ts'
import { openKeyring } from '../store/segments/keyring.ts'
import { planSegments } from '../store/segments/plan-segments.ts'
import { openFrame, readIndex, verifySegment } from '../store/segments/read-segment.ts'
import type { SegmentItem } from '../store/segments/segment.ts'
import { writeSegment } from '../store/segments/write-segment.ts'

const files = 1_000
const rounds = 9
const folder = mkdtempSync(join(tmpdir(), 'grove-bench-'))
const context = { owner: 'ada', log: '/sites/ada/blog/versions', lo: 1, hi: 1 }

/** Numbers below a bound, the same at each run. */
function createDice(seed: number): (bound: number) => number {
  let state = seed
  return (bound) => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((state / 2_147_483_648) * bound)
  }
}

const dice = createDice(42)
const syllables = Array.from({ length: 60 }, (_, index) => 'bdfklmnprst'.charAt(index % 11) + 'aeiou'.charAt(index % 5))
const words = Array.from({ length: 4_000 }, () =>
  Array.from({ length: 1 + dice(4) }, () => syllables[dice(syllables.length)]).join(''),
)

function pageOf(index: number): SegmentItem & { readonly path: string } {
  const wanted = 2_000 + dice(28_000)
  let body = ''
  // Common words are common: the smaller of two throws.
  while (body.length < wanted) body += `${words[Math.min(dice(words.length), dice(words.length))]} `
  const head = `<!doctype html><html lang="en"><head><title>Page ${index}</title><link rel="stylesheet" href="/site.css">`
  const page = Buffer.from(`${head}</head><body><main><h1>Page ${index}</h1><p>${body}</p></main></body></html>`)
  const path = `pages/${index}.html`
  return { path, hash: digest('sha256', page), kind: 'content', bytes: page.length, read: async () => page }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
}

async function timed<T>(work: () => Promise<T> | T): Promise<{ readonly ms: number; readonly value: T }> {
  const start = performance.now()
  const value = await work()
  return { ms: performance.now() - start, value }
}

const items = Array.from({ length: files }, (_, index) => pageOf(index))
const bytes = items.reduce((sum, item) => sum + item.bytes, 0)
const groups = planSegments(items)
const rate = (ms: number) => `${(bytes / 1e6 / (ms / 1_000)).toFixed(0)} MB/s`
const micro = (ms: number) => `${(ms * 1_000).toFixed(0)} µs`

interface Result {
  readonly pack: number
  readonly stored: number
  readonly index: number
  readonly open: readonly number[]
  readonly verify: number
  /** Longest time for which the event loop did nothing else; 1 ms is the resolution. */
  readonly pause: number
}

async function measure(keyring: ReturnType<typeof openKeyring> | undefined): Promise<Result> {
  const packs: number[] = []
  const indexes: number[] = []
  const verifies: number[] = []
  const open: number[] = []
  const delay = monitorEventLoopDelay({ resolution: 1 })
  const pauses: number[] = []
  let stored = 0
  for (let round = 0; round < rounds; round++) {
    stored = 0
    let [pack, verify] = [0, 0]
    for (const group of groups) {
      delay.reset()
      delay.enable()
      const made = await timed(() => writeSegment({ env, folder, context, items: group, keyring }))
      delay.disable()
      pauses.push(delay.max / 1e6)
      pack += made.ms
      const { ref, file } = made.value
      stored += ref.bytes
      const segment = await env.files.read(file)
      await env.files.remove(file)
      const read = await timed(() => readIndex(ref, segment.subarray(ref.indexOffset), context, keyring))
      indexes.push(read.ms)
      verify += (await timed(() => verifySegment({ env, ref, bytes: segment, context, keyring }))).ms
      for (const frame of read.value.frames.values()) {
        const part = segment.subarray(frame.offset, frame.offset + frame.length)
        open.push((await timed(() => openFrame(read.value, frame, part, context, keyring))).ms)
      }
    }
    packs.push(pack)
    verifies.push(verify)
  }
  return { pack: median(packs), stored, index: median(indexes), open, verify: median(verifies), pause: median(pauses) }
}

/** The same bytes as one file, written and forced to disk, and nothing else. */
async function rawDisk(length: number): Promise<number> {
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const file = join(folder, 'raw')
    const all = Buffer.alloc(length, round + 1)
    const { ms } = await timed(async () => {
      const writer = await env.files.create(file)
      await writer.write(all)
      await writer.sync()
      await writer.close()
    })
    times.push(ms)
    await env.files.remove(file)
  }
  return median(times)
}

const plain = await measure(undefined)
const sealed = await measure(openKeyring([env.randomBytes(32)]))
const disk = await rawDisk(plain.stored)
rmSync(folder, { recursive: true })

const p99 = (numbers: readonly number[]) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * 0.99)] ?? 0
const row = (what: string, of: (result: Result) => string) => console.log(`| ${what} | ${of(plain)} | ${of(sealed)} |`)

console.log(`# Segments

\`node bench/store-segments.ts\`: ${files} pages, ${(bytes / 1e6).toFixed(1)} MB, in ${groups.length} segment(s); zstd level 9; median of ${rounds} rounds.
Node ${process.versions.node}, ${cpus()[0]?.model.trim()}, ${cpus().length} cores, ${new Date().toISOString().slice(0, 10)}.

| | plain | sealed |
|---|---|---|`)
row('pack and fsync', ({ pack }) => `${pack.toFixed(0)} ms, ${rate(pack)}`)
row('of that, the disk alone', () => `${disk.toFixed(1)} ms`)
row('longest pause of the event loop meanwhile', ({ pause }) => `${pause.toFixed(1)} ms`)
row('stored', ({ stored }) => `${(stored / 1e6).toFixed(2)} MB (${((100 * stored) / bytes).toFixed(0)} %)`)
row('read and check an index', ({ index }) => `${index.toFixed(2)} ms`)
row('open one frame, median', ({ open }) => micro(median(open)))
row('open one frame, p99', ({ open }) => micro(p99(open)))
row('check the whole', ({ verify }) => `${verify.toFixed(0)} ms, ${rate(verify)}`)
