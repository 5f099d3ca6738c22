/**
 * What many small sites cost: `node bench/store-sites.ts`, BENCH_SITES for another number than 100,000.
 *
 * The sites are published straight into a store, in a folder that is removed afterwards, and their contents are taken
 * out of the cache: what visitors get comes from segments on the local disk. Then a real Grove with one front starts on it. Measured are its start, the first byte of
 * sites that nobody has visited since (over plain HTTP on a connection that is open, and as a whole new visitor over
 * TLS, whose certificate has to be issued first), and the memory of control and of the front, before and after many
 * sites were visited. Files are of 200 bytes, of which no copies in other codings are made: it is about sites.
 */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Outstanding } from '../control/outstanding.ts'
import { SiteRegistry } from '../control/site-registry.ts'
import { parseConfig } from '../core/config.ts'
import { layoutOf } from '../core/layout.ts'
import { forEachParallel } from '../core/parallel.ts'
import { openBlobs } from '../store/contents/blobs.ts'
import { openSqliteStore } from '../store/drivers/sqlite.ts'
import { nodeEnvironment as env } from '../store/environment-node.ts'
import { folderObjects } from '../store/objects/folder-objects.ts'
import { openSiteVersions } from '../store/versions/open-versions.ts'
import { accepts, Harness } from '../test/e2e/harness.ts'

const siteCount = Number(process.env['BENCH_SITES'] ?? 100_000)
const visitCount = Number(process.env['BENCH_VISITS'] ?? Math.min(siteCount, 20_000))
const filesPerSite = 10
const fileBytes = 200
const coldSites = 200
const cacheBytes = 67_108_864
const folder = await mkdtemp(join(tmpdir(), 'grove-bench-'))
const data = join(folder, 'data')
const layout = layoutOf(data)

const crawlers = new Agent({ keepAlive: true, maxSockets: 8 })

const nameOf = (index: number) => `site-${String(index).padStart(6, '0')}`
const mib = (bytes: number) => `${Math.round(bytes / 1_048_576)} MiB`

/** Publishes all sites, many at a time, so that they share their commits. Answers how long it took. */
async function makeSites(): Promise<number> {
  const startedMs = performance.now()
  await env.files.makeFolder(data)
  await using stack = new AsyncDisposableStack()
  const store = stack.use(await openSqliteStore(layout.database))
  const blobs = stack.use(await openBlobs(env, layout, { maxBytes: cacheBytes }))
  const objects = stack.use(await folderObjects(env, layout.objects))
  const outstanding = stack.use(await Outstanding.open(store))
  const registry = stack.use(
    await SiteRegistry.open({
      store,
      openVersions: (owner, name) =>
        openSiteVersions({ store, handle: store.root, env, blobs, objects, keyring: undefined, owner, name }),
      outstanding,
      config: parseConfig({}, 'the benchmark'),
      now: Date.now,
      failed: (_name, error) => console.error(error),
      mostOpen: 100,
    }),
  )
  let done = 0
  await forEachParallel(Array(siteCount).keys(), 32, async (index) => {
    const name = nameOf(index)
    const files = await Promise.all(
      Array.from({ length: filesPerSite }, async (_, file) => {
        const content = Buffer.from(`<!doctype html><title>${name} ${file}</title>`.padEnd(fileBytes, '.'))
        const path = file === 0 ? 'index.html' : `pages/${file}/index.html`
        return { path, hash: await blobs.putBytes(content), bytes: content.length }
      }),
    )
    await registry.create(name)
    using site = await registry.need(name)
    await site.versions.publish({ files, message: '', opId: `bench-${name}`, atMs: Date.now() })
    await site.events.markLive(1, Date.now())
    outstanding.end(name, outstanding.begun(name))
    done += 1
    if (done % 1_000 === 0) process.stderr.write(`\r${done} of ${siteCount} sites made`)
  })
  process.stderr.write('\n')
  return performance.now() - startedMs
}

/** A port that is free now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return port
}

async function untilAccepts(port: number): Promise<void> {
  while (!(await accepts(port))) await pause(10)
}

function residentBytes(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024
}

/** Asks a site for its page over plain HTTP; answers the milliseconds to the first byte. */
function firstByte(agent: Agent, port: number, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const startedMs = performance.now()
    const asked = request({ agent, host: '127.0.0.1', port, headers: { host: `${name}.localhost` } }, (response) => {
      const tookMs = performance.now() - startedMs
      response.resume().on('end', () => {
        if (response.statusCode === 200) resolve(tookMs)
        else reject(new Error(`${name} answered ${response.statusCode}`))
      })
    })
    asked.on('error', reject)
    asked.end()
  })
}

function quantile(values: readonly number[], share: number): string {
  const sorted = values.toSorted((a, b) => a - b)
  return `${(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1)} ms`
}

function row(what: string, ...values: string[]): void {
  console.log(`| ${[what, ...values].join(' | ')} |`)
}

try {
  const madeMs = await makeSites()
  const grove = new Harness(folder, {})
  try {
    for (const cached of [layout.blobs, layout.fresh, layout.uploads])
      await rm(cached, { recursive: true, force: true })
    const plainPort = await freePort()
    grove.writeConfig({ fronts: 1, listen: { plain: plainPort }, log: { level: 'warn' } })
    const startedMs = performance.now()
    const serving = untilAccepts(plainPort).then(() => performance.now() - startedMs)
    await grove.start()
    const bootMs = await serving
    const [control = 0] = await grove.pids('control')
    const [front = 0] = await grove.pids('front')
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const atStart = [residentBytes(control), residentBytes(front)] as const

    // The first request of all also loads code.
    await firstByte(agent, plainPort, nameOf(0))
    const step = Math.floor(siteCount / coldSites / 2)
    const plain: number[] = []
    const overTls: number[] = []
    for (let index = 1; index <= coldSites; index += 1) {
      plain.push(await firstByte(agent, plainPort, nameOf(index * step)))
      const visitor = grove.newVisitor()
      const beganMs = performance.now()
      await visitor.http1(grove.url(nameOf((coldSites + index) * step - 1)))
      overTls.push(performance.now() - beganMs)
      visitor.close()
    }
    const visitedMs = performance.now()
    await forEachParallel(Array(visitCount).keys(), 8, async (index) => {
      await firstByte(crawlers, plainPort, nameOf(index))
    })
    const visitsPerSecond = visitCount / ((performance.now() - visitedMs) / 1_000)
    const afterwards = [residentBytes(control), residentBytes(front)] as const
    const { fronts } = await grove.status()

    console.log(`Node ${process.versions.node}, ${cpus().length} x ${cpus()[0]?.model}\n`)
    console.log(
      `${siteCount} sites of ${filesPerSite} files of ${fileBytes} bytes, made in ${Math.round(madeMs / 1_000)} s\n`,
    )
    row('', 'measured', 'wanted')
    row('---', '---', '---')
    row('start until it serves', `${(bootMs / 1_000).toFixed(1)} s`, 'seconds')
    row('first byte of a cold site, p50', quantile(plain, 0.5), '')
    row('first byte of a cold site, p99', quantile(plain, 0.99), '< 50 ms')
    row('the same with a new TLS connection and a new certificate, p50', quantile(overTls, 0.5), '')
    row('the same with a new TLS connection and a new certificate, p99', quantile(overTls, 0.99), '')
    row('control after its start', mib(atStart[0]), '< 500 MiB')
    row('the front after its start', mib(atStart[1]), '< 300 MiB')
    row(`control after ${visitCount} sites were visited`, mib(afterwards[0]), '< 500 MiB')
    row('the front after that', mib(afterwards[1]), '< 300 MiB and its cache')
    row('of that its response cache', mib(fronts[0]?.cacheBytes ?? 0), '')
    row('visits of cold sites, 8 at a time', `${Math.round(visitsPerSecond)}/s`, '')
    agent.destroy()
    crawlers.destroy()
  } finally {
    await grove.kill()
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
