/** Cold starts, many tenants, and a neighbour that is attacked: with a Grove that has all cores. */

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { bundleHere } from '../../sandbox/bundle/bundle-here.ts'
import { buildPrelude } from '../../sandbox/isolated/prelude-bundle.ts'
import { startTenant } from '../../test/sandbox/fixtures/tenant-process.ts'
import { residentBytes } from '../certs/processes.ts'
import { quantile } from '../certs/quantiles.ts'
import { largeWorker, workerText } from './handlers.ts'
import { load } from './load.ts'
import { ports, startGrove } from './servers.ts'

/** 200 KB once it is bundled. */
const large = largeWorker(200_000)

const agent = new Agent({ keepAlive: true, maxSockets: 16, rejectUnauthorized: false, maxCachedSessions: 1_000 })

/** Asks once; answers how long the first byte took, in milliseconds, and the status. */
export function ask(site: string, path = '/hello'): Promise<{ readonly ms: number; readonly status: number }> {
  return new Promise((resolve, reject) => {
    const startedMs = performance.now()
    const asked = request(
      {
        agent,
        host: '127.0.0.1',
        servername: `${site}.localhost`,
        port: ports.grove,
        path,
        headers: { host: `${site}.localhost` },
      },
      (answer) => {
        const ms = performance.now() - startedMs
        answer.resume()
        answer.once('end', () => resolve({ ms, status: answer.statusCode ?? 0 }))
      },
    )
    asked.on('error', reject)
    asked.end()
  })
}

/** Process ids of tenant processes. */
export function tenantPids(): number[] {
  return pidsOf('grove-tenant/')
}

/** Processes whose command line has a text. */
function pidsOf(text: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => commandLine(pid).includes(text))
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return '' // It has ended since.
  }
}

/** First bytes of sites whose code nobody has asked for: with a process that waits, and without. Milliseconds. */
export async function measureCold(folder: string) {
  const names = Array.from({ length: 24 }, (_, i) => `cold-${i}`)
  const sites = Object.fromEntries(names.map((name) => [name, { files: { '_worker.js': large, 'index.html': 'x' } }]))
  const cold: number[] = []
  const file: number[] = []
  await using _grove = await startGrove(folder, sites, { core: -1 })
  for (const name of names) {
    await pause(1_500) // So that a spare process is there.
    file.push((await ask(name, '/')).ms)
    file.pop() // Handshake and table.
    file.push((await ask(name, '/')).ms)
    cold.push((await ask(name)).ms)
  }
  return { withSpare: summary(cold), file: summary(file) }
}

/** Loading such a bundle in a process that waits for it, as its supervisor sees it: sent, compiled, run, answered. Milliseconds. */
export async function measureLoad() {
  const { code } = await bundleHere({ entry: '_worker.js', bundleBytes: 4_194_304 }, async () => Buffer.from(large))
  const bundle = Buffer.from(code).toString('utf8')
  const prelude = await buildPrelude()
  const loads: number[] = []
  for (let i = 0; i < 12; i += 1) {
    const tenant = await startTenant(prelude)
    await pause(1_000) // It warms up.
    const startedMs = performance.now()
    const loaded = await tenant.load({ bundle })
    loads.push(performance.now() - startedMs)
    await tenant.close()
    if ('failed' in loaded) throw new Error(loaded.failed.message)
  }
  return { ...summary(loads), bundleBytes: bundle.length }
}

/** The same when no process waits. */
export async function measureFromNothing(folder: string) {
  const names = Array.from({ length: 12 }, (_, i) => `none-${i}`)
  const sites = Object.fromEntries(names.map((name) => [name, { files: { '_worker.js': large, 'index.html': 'x' } }]))
  await using _grove = await startGrove(folder, sites, { core: -1, sandbox: { spares: 0 } })
  const cold: number[] = []
  for (const name of names) {
    await ask(name, '/')
    cold.push((await ask(name)).ms)
  }
  return summary(cold)
}

/** Many sites with code, each asked once; then each again. */
export async function measureMany(folder: string, count: number) {
  const names = Array.from({ length: count }, (_, i) => `many-${i}`)
  const sites = Object.fromEntries(names.map((name) => [name, { files: { '_worker.js': workerText } }]))
  await using _grove = await startGrove(folder, sites, { core: -1, sandbox: { processes: count } })
  const first: number[] = []
  const refused: number[] = []
  for (const name of names) {
    const { ms, status } = await ask(name)
    if (status === 200) first.push(ms)
    else refused.push(status)
  }
  const pids = tenantPids()
  const bytes = pids.map((pid) => residentBytes(pid))
  const again: number[] = []
  for (const name of names) again.push((await ask(name)).ms)
  return {
    processes: pids.length,
    refused: refused.length,
    residentMiB: mean(bytes) / 1_048_576,
    uniqueMiB: mean(pids.map((pid) => uniqueBytes(pid))) / 1_048_576,
    first: summary(first),
    again: summary(again),
  }
}

/**
 * Static files of one site while another site's code burns what it may: with the sandboxes on the second core, and
 * everything else, the load too, on the first; then with all on both.
 */
export async function measureAttacked(folder: string, isApart: boolean) {
  const attacker = `export default { fetch() { for (;;); } }`
  const sites = {
    calm: { authorities: ['localhost'], files: { 'file.txt': 'hello world' } },
    angry: { files: { '_worker.js': attacker } },
  }
  await using _grove = await startGrove(folder, sites, { core: isApart ? 0 : -1 })
  // What it starts from now on is there too.
  if (isApart) for (const pid of [...pidsOf('supervisor-process'), ...tenantPids()]) toSecondCore(pid)
  const url = `https://localhost:${ports.grove}/file.txt`
  const core = isApart ? 0 : 1
  const measure = () => load(folder, url, { bodyBytes: 0 }, { connections: 2, seconds: 8, core })
  await measure()
  const calm = await measure()
  const stop = new AbortController()
  const attacks = Array.from({ length: 4 }, async () => {
    let answers = 0
    while (!stop.signal.aborted) {
      await ask('angry').catch(() => undefined)
      answers += 1
    }
    return answers
  })
  await pause(500)
  const attacked = await measure()
  stop.abort()
  const answers = (await Promise.all(attacks)).reduce((sum, one) => sum + one, 0)
  return { calm, attacked, answers }
}

function toSecondCore(pid: number): void {
  // It may have ended meanwhile.
  spawnSync('taskset', ['-a', '-c', '-p', '1', String(pid)], { stdio: 'ignore' })
}

function summary(values: readonly number[]): { readonly p50Ms: number; readonly p99Ms: number } {
  return { p50Ms: quantile(values, 0.5), p99Ms: quantile(values, 0.99) }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
}

/** Memory that a process shares with nobody. */
function uniqueBytes(pid: number): number {
  const rollup = readFileSync(join('/proc', String(pid), 'smaps_rollup'), 'utf8')
  const kib = [...rollup.matchAll(/^Private_\w+:\s+(\d+) kB$/gm)].reduce((sum, [, kB]) => sum + Number(kB), 0)
  return kib * 1_024
}
