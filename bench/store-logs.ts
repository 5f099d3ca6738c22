/**
 * What the store of logs costs: `node --expose-gc bench/store-logs.ts`. Prints a table in markdown.
 *
 * Appends stand beside node:sqlite alone, in the same run, on the same disk and with the same durability (WAL,
 * synchronous=FULL): raw is `BEGIN`, one `INSERT` of the same bytes into a table of nothing else, `COMMIT`. Both take
 * turns in short rounds and the median of the ratios counts, since disks have moods. Both files have been written to
 * before, so that no round pays for a file that grows.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as pause } from 'node:timers/promises'
import { openSqliteStore } from '../store/drivers/sqlite.ts'
import { openDatabase } from '../store/drivers/sqlite-open.ts'
import { sqliteRecords } from '../store/drivers/sqlite-records.ts'
import { newStoreSeed } from '../store/drivers/store-seed.ts'
import { nodeEnvironment } from '../store/environment-node.ts'
import { handleOf, narrow, openHandle } from '../store/grants/handle.ts'
import { createLocalStore } from '../store/logs/create-store.ts'
import { knownHandles } from '../store/logs/known-handles.ts'
import type { Handle, Log, Store } from '../store/store.ts'

const rounds = Number(process.env['BENCH_ROUNDS'] ?? 21)
const roundMs = Number(process.env['BENCH_MS'] ?? 250)
const writers = 64
const watchers = 1_000
const watchedAppends = 300
const entry = new Uint8Array(200).fill(46)
const forever = Date.UTC(2100, 0)
const folder = mkdtempSync(join(process.env['BENCH_FOLDER'] ?? tmpdir(), 'grove-bench-'))

const rows: (readonly [what: string, measured: string, wanted: string])[] = []

function part(numbers: readonly number[], share: number): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length * share)] ?? Number.NaN
}

const median = (numbers: readonly number[]) => part(numbers, 0.5)
const whole = (value: number) => Math.round(value).toLocaleString('en-US')

/** Calls per second. */
async function rate(work: () => Promise<unknown> | unknown): Promise<number> {
  let count = 0
  const start = performance.now()
  while (performance.now() - start < roundMs) {
    await work()
    count += 1
  }
  return (count / (performance.now() - start)) * 1_000
}

/** A database of one table, and how to append so many entries to it in one transaction. */
function openRaw(file: string): (count: number) => void {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF')
  database.exec('CREATE TABLE entries (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT')
  const begin = database.prepare('BEGIN IMMEDIATE')
  const insert = database.prepare('INSERT INTO entries (data) VALUES (?)')
  const commit = database.prepare('COMMIT')
  const append = (count: number) => {
    begin.run()
    for (let index = 0; index < count; index += 1) insert.run(entry)
    commit.run()
  }
  for (let index = 0; index < 3_000; index += 1) append(1)
  database.exec('PRAGMA synchronous = FULL')
  return append
}

/** A handle as an author has it: a grant under a grant, narrowed once. */
async function authorOf(store: Store): Promise<Handle> {
  const rights = { read: true, write: true, grant: true }
  const owner = await store.grant(store.root, { path: '/sites/ada', untilMs: forever, ...rights })
  const author = await store.grant(owner, { path: '/sites/ada/blog', untilMs: forever, ...rights })
  return narrow(author, { rights: ['read', 'write'] })
}

/** The same store with its engine in this thread: what the way to another thread and back costs is the difference. */
async function logInThisThread(): Promise<Log> {
  const file = join(folder, 'here.db')
  const database = await openDatabase(file, nodeEnvironment.files, newStoreSeed(nodeEnvironment))
  const store = createLocalStore(sqliteRecords(database, file))
  const author = await authorOf(store)
  await store.create(store.root, '/sites/ada/blog/versions', { serialized: false })
  const log = await store.open(author, '/sites/ada/blog/versions')
  await Promise.all(Array.from({ length: 5_000 }, () => log.write(entry)))
  return log
}

async function benchAppends(log: Log): Promise<void> {
  const here = await logInThisThread()
  const raw = openRaw(join(folder, 'raw.db'))
  await Promise.all(Array.from({ length: 5_000 }, () => log.write(entry)))
  const alone: number[] = []
  const ours: number[] = []
  const oursHere: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    alone.push(await rate(() => raw(1)))
    ours.push(await rate(() => log.write(entry)))
    oursHere.push(await rate(() => here.write(entry)))
  }
  const ratioOf = (some: readonly number[]) => median(some.map((one, index) => one / (alone[index] ?? 0))).toFixed(2)
  rows.push(['one append after another, node:sqlite alone', `${whole(median(alone))}/s`, ''])
  const measured = `${whole(median(ours))}/s, ${ratioOf(ours)} of it`
  rows.push(['the same through the store, with a grant check', measured, '0.80 of it'])
  const measuredHere = `${whole(median(oursHere))}/s, ${ratioOf(oursHere)} of it`
  rows.push(['the same with the engine in the thread of the writer', measuredHere, ''])

  const aloneTogether: number[] = []
  const together: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    aloneTogether.push((await rate(() => raw(writers))) * writers)
    const all = Array.from({ length: writers }, () => rate(() => log.write(entry)))
    together.push((await Promise.all(all)).reduce((sum, one) => sum + one, 0))
  }
  rows.push([`${writers} appends in one transaction, node:sqlite alone`, `${whole(median(aloneTogether))}/s`, ''])
  rows.push([`${writers} writers at once through the store`, `${whole(median(together))}/s`, '20,000/s'])
}

async function benchWatchers(log: Log): Promise<void> {
  const { signal } = new AbortController()
  const head = await log.head()
  const used = () => {
    globalThis.gc?.()
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
  const before = used()
  const acknowledged = new Map<string, number>()
  const deliveries: (readonly [ts: string, at: number])[] = []
  let ready = 0
  const allReady = Promise.withResolvers<void>()
  const watches = Array.from({ length: watchers }, async () => {
    let seen = 0
    for await (const event of log.watch(head, { signal })) {
      if (event.kind === 'progress' && seen === 0 && ++ready === watchers) allReady.resolve()
      if (event.kind !== 'entry') continue
      deliveries.push([event.entry.ts, performance.now()])
      seen += 1
      if (seen === watchedAppends) return
    }
  })
  await allReady.promise
  const bytes = used() - before
  for (let index = 0; index < watchedAppends; index += 1) {
    acknowledged.set(await log.write(entry), performance.now())
    await pause(10)
  }
  await Promise.all(watches)
  const waits = deliveries.map(([ts, at]) => Math.max(0, at - (acknowledged.get(ts) ?? Number.NaN)))
  const measured = `p50 ${median(waits).toFixed(2)} ms, p99 ${part(waits, 0.99).toFixed(2)} ms`
  rows.push([`${whole(watchers)} watchers of one log, from acknowledgement to delivery`, measured, 'p99 20 ms'])
  rows.push(['memory of one watcher that is up to date', `${whole(bytes / watchers)} bytes`, 'bounded'])
}

/** Microseconds of one call. */
function cost(work: () => unknown): number {
  const times: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    const start = performance.now()
    for (let index = 0; index < 2_000; index += 1) work()
    times.push(((performance.now() - start) / 2_000) * 1_000)
  }
  return median(times)
}

function benchHandles(): void {
  const keys = { stored: [{ kid: '1', key: new Uint8Array(32).fill(1), madeAtMs: 0 }], process: new Uint8Array(32) }
  const handle = handleOf('a'.repeat(22), keys)
  const narrowest = Array.from({ length: 16 }).reduce<Handle>((one) => narrow(one, { untilMs: forever }), handle)
  const known = knownHandles(keys)
  const micro = (value: number) => `${value.toFixed(1)} µs`
  rows.push(['check of a handle that was not seen before', micro(cost(() => openHandle(handle, keys))), '50 µs'])
  rows.push(['the same with 16 caveats, the most', micro(cost(() => openHandle(narrowest, keys))), ''])
  rows.push(['check of that handle when it was seen before', micro(cost(() => known(narrowest))), '50 µs'])
}

const store = await openSqliteStore(join(folder, 'store.db'))
try {
  const author = await authorOf(store)
  await store.create(store.root, '/sites/ada/blog/versions', { serialized: false })
  const log = await store.open(author, '/sites/ada/blog/versions')
  await benchAppends(log)
  await benchWatchers(log)
  benchHandles()
} finally {
  await store[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
}

const [cpu] = cpus()
console.log(`node ${process.version}, ${cpus().length} cores, ${cpu?.model ?? 'unknown'}\n`)
console.log('| what | measured | wanted |\n|---|---|---|')
for (const row of rows) console.log(`| ${row.join(' | ')} |`)
